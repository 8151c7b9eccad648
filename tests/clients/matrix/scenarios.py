"""The scenarios of the client matrix: which topics they find, and which broker they need."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    partitions: int = 1
    config: dict = dataclasses.field(default_factory=dict)
    also: tuple = ()  # (suffix, config) of further topics
    proxied: bool = False  # through a proxy that cuts connections
    timeout_s: int = 240


SCENARIOS = [
    Scenario("codecs", partitions=3),
    Scenario("headers_and_nulls"),
    Scenario("sizes", config={"max.message.bytes": "200000"}, also=(("large", {}),)),
    Scenario("idempotent", partitions=3, proxied=True),
    Scenario("eager", partitions=6),
    Scenario("cooperative", partitions=6),
    Scenario("static", partitions=6),
    Scenario("seek_by_time"),
    Scenario("replay"),
    Scenario("lag", partitions=2),
    Scenario("offset_reset"),
    Scenario("admin"),
    Scenario("many_topics", timeout_s=600),
    Scenario("slow_consumer", also=(("idle", {}),)),
    Scenario("many_groups", partitions=2, timeout_s=600),
]

# ---- Through a kill --------------------------------------------------------------------------------

# What cannot be asserted through a kill of a node of Apache Kafka either, and why.
UNDISTURBED = {
    "admin": "a call of an administrator that was on its way is told as broken, or sent again and "
    "finds what it did itself, a topic that exists",
    "many_topics": "as admin: it creates 2,000 topics",
}


def undisturbed(client, scenario):
    """Why this client goes through this scenario without a kill, or None."""
    return client.get("undisturbed", {}).get(scenario.name) or UNDISTURBED.get(scenario.name)
