"""Differences that stay: (what a printed line matches, why). Told in docs/compatibility.md."""

import re

KNOWN = [
    (r"^(cluster.api_versions|generated.ApiVersions): .*(Finalized|Supported)Features", "features of what is not served yet"),
    (r"\.(durability|record\.validation|log\.durability|num\.shards|metrics\.listener|metrics\.per\.partition|barnabas\.topics|barnabas\.cluster\.id): 'absent'",
     "keys of our own"),
    (r"\.(node\.id|process\.roles)\.Synonyms: ", "these have defaults here"),
    (r"\.Configs\.listener\.name\.[^:]*\.Synonyms\.[a-z.]+: .*'absent'",
     "keys of a listener do not tell the key behind them"),
    (r"share_group_state|FindCoordinator .*: share |\.ConfigResources: \d+ \| \d+ elements",
     "share groups are not served"),
    (r"transactional id '", "transactions are not served"),
    (r"DescribeQuorum v2: plain: .*ReplicaDirectoryId", "the quorum has directory ids from the start"),
    (r"Partitions=\[\].*\.Topics: 1 \| 0 elements", "topics without partitions are answered with none"),
    (r"JoinGroup .*Protocols\.Name=''.*\.ProtocolName: None", "a protocol without a name is a protocol"),
    (r"='NaN'", "a ratio is a number"),
    (r"^generated.*broker .*Value='-[23]'", "log.retention.ms below -1 means nothing"),
    (r"Cursor\.PartitionIndex=max", "Kafka's sum of the cursor and the limit overflows"),
    (r"ReplicaId=(\d|max).*(NodeEndpoints|ErrorCode: 75 \| 6)", "the hint of a refused replica names its node, and it is refused first"),
    (r"CreateTopics .*retention\.ms\.ConfigSource: 4 \| 5", "a default out of log.retention.hours is told as a default"),
    (r"^generated.AlterConfigs: .*broker .*ResourceName=''", "the old API takes for all brokers what the incremental one takes"),
    (r"^generated.Fetch: .*TopicId=0{8}", "Kafka fails on two partitions of no topic"),
    (r"^sequences.topics.*OffsetForLeaderEpoch", "Kafka's broker drops the partitions of a deleted topic when it comes to it"),
    (r"^files.disk: .*metadata record (3[5-9]|4\d): only one broker has it: the reference",
     "a node that stops alone does not take its partitions' leaders away"),
    (r"^files.disk: .*f-(gone|grown)-\d/leader-epoch-checkpoint: only one broker has it: the reference",
     "a log without a record has no epochs to tell"),
    (r"CreateTopics .*\.Topics: order of", "Kafka's order is that of a hash map"),
    (r"\.ErrorMessage: None \| '<text>'", "more errors have a text"),
    (r": operation (4|-1): |: (partition )?bytes -1( both)?: |: isolation 2: |ConfigOperation=(4|-1|127|-128)"
     r"|IsolationLevel=(2|-1|127|-128)|MaxBytes=(-1|min)",
     "Kafka fails with UNKNOWN_SERVER_ERROR where the request is wrong"),
    (r"^fetch.fetch: .*: (partition )?bytes 1[06]0( both)?: .*\.Records: |MaxBytes=\d.*\.Records: ",
     "limits cut between batches, not inside them"),
    (r"^fetch.fetch: .*: replica: .*NodeEndpoints", "the hint of a refused replica names its node"),
    (r"CreateTopics .*: timeout 0: ", "the answer waits for the topic however short the timeout"),
    (r"internal\.segment\.bytes", "Kafka's tests only"),
    (r"DeleteTopics v6: id and name: ", "a topic given by id and by name is answered twice"),
    (r"^configs.*(num\.io\.threads|metric\.reporters|ssl\.keystore\.location|principal\.builder\.class|listeners"
     r"|remote\.log\.manager\.copier\.thread\.pool\.size)=|^configs.*: (group|metrics)( bad| bad match)?: ",
     "values for what has no meaning here, or is not served, are checked for their form only"),
    (r"^produce.produce: .*: (byte too many|half a batch more|record garbage|(deltas (shifted|equal)|gzip) gzip"
     r"|old magic message|gzip bad|zstd bad|codec [57]|magic [01]|two batches|length large|cut|cut in header): ",
     "malformed batches are refused with INVALID_RECORD, CORRUPT_MESSAGE or UNSUPPORTED_COMPRESSION_TYPE"),
]  # fmt: skip

# With three nodes (--cluster) besides.
OF_THREE_NODES = [
    (r"^cluster.metadata_creates: Metadata .*: created: .*\.LeaderEpoch: 0 \| [12]$",
     "a topic that the cluster placed is brought home, under another leader"),
    (r"^generated.DescribeTopicPartitions: .*\.Topics\.gen-[ab]\.Partitions\.\d\.LeaderEpoch: 0 \| 1$",
     "reassigning to the one node that Kafka had takes two replicas away, which begins an epoch"),
]  # fmt: skip

_patterns = [(re.compile(pattern), why) for pattern, why in KNOWN]
_of_three = [(re.compile(pattern), why) for pattern, why in OF_THREE_NODES]


def reason(line, three=False):
    """Why this difference stays, or None."""
    patterns = _patterns + (_of_three if three else [])
    return next((why for pattern, why in patterns if pattern.search(line)), None)
