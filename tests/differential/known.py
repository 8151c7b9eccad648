"""Differences that stay: (what a printed line matches, why). Told in docs/compatibility.md."""

import re

KNOWN = [
    (r"^cluster.api_versions: .*(Finalized|Supported)Features", "features of what is not served yet"),
    (r"min\.insync\.replicas|^configs.alter_configs: .*: default broker( nothing)?: ",
     "no eligible leader replicas: min.insync.replicas is an ordinary key"),
    (r"\.(durability|record\.validation|log\.durability|num\.shards|barnabas\.topics): 'absent'",
     "keys of our own"),
    (r"\.(node\.id|process\.roles)\.Synonyms: ", "these have defaults here"),
    (r"\.Configs\.listener\.name\.[^:]*\.Synonyms\.[a-z.]+: .*'absent'",
     "keys of a listener do not tell the key behind them"),
    (r"share_group_state|FindCoordinator .*: share |\.ConfigResources: \d+ \| \d+ elements",
     "share groups are not served"),
    (r"transactional id '", "transactions are not served"),
    (r"DescribeQuorum v2: plain: .*ReplicaDirectoryId", "the quorum has directory ids from the start"),
    (r"\.ErrorMessage: None \| '<text>'", "more errors have a text"),
    (r": operation (4|-1): |: (partition )?bytes -1( both)?: |: isolation 2: ",
     "Kafka fails with UNKNOWN_SERVER_ERROR where the request is wrong"),
    (r"^cluster.metadata: .*: neither: ", "a topic without name and id fails alone"),
    (r"DescribeTopicPartitions v0: bad name: ", "INVALID_TOPIC_EXCEPTION instead of UNKNOWN_SERVER_ERROR"),
    (r"DescribeProducers v0: bad name: ", "UNKNOWN_TOPIC_OR_PARTITION is said of any unknown name"),
    (r": (topic |partition |id )?twice: ", "what is named twice is answered twice"),
    (r": no partitions: ", "topics without partitions are answered with none"),
    (r"^fetch.fetch: .*: (partition )?bytes 1[06]0( both)?: .*\.Records: ",
     "limits cut between batches, not inside them"),
    (r"^fetch.fetch: .*: replica: .*NodeEndpoints", "the hint of a refused replica names its node"),
    (r"OffsetForLeaderEpoch .* -2: ", "an epoch below -1 is unknown"),
    (r"CreateTopics .*: timeout 0: ", "the answer waits for the topic however short the timeout"),
    (r"internal\.segment\.bytes", "Kafka's tests only"),
    (r"DeleteTopics v6: id and name: ", "a topic given by id and by name is answered twice"),
    (r"^configs.*(num\.io\.threads|metric\.reporters|ssl\.keystore\.location|principal\.builder\.class|listeners"
     r"|remote\.log\.manager\.copier\.thread\.pool\.size)=|^configs.*: (group|metrics)( bad| bad match)?: ",
     "values for what has no meaning here, or is not served, are checked for their form only"),
    (r"^produce.produce: .*: (byte too many|half a batch more|record garbage|(deltas (shifted|equal)|gzip) gzip"
     r"|old magic message|gzip bad|zstd bad|codec [57]|magic [01]|two batches|length large|cut|cut in header): ",
     "malformed batches are refused with INVALID_RECORD, CORRUPT_MESSAGE or UNSUPPORTED_COMPRESSION_TYPE"),
    (r"^produce.produce_idempotent: .*LogAppendTimeMs: '<time>' \| -1",
     "a repeated batch is answered like the first time"),
]  # fmt: skip

_patterns = [(re.compile(pattern), why) for pattern, why in KNOWN]


def reason(line):
    """Why this difference stays, or None."""
    return next((why for pattern, why in _patterns if pattern.search(line)), None)
