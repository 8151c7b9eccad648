"""Scenarios about consumer groups."""

import threading
import time

from contract import COMMIT_MUST_WAIT, Failure, expect, expect_equal, wait_until
from read_scenarios import fill


class Member(threading.Thread):
    """A member of a group in a thread of its own: reads, and commits what it has read."""

    def __init__(self, client, topic, group, assignor=None, instance=None):
        super().__init__(daemon=True)
        self.open = lambda: client.consumer(group=group, assignor=assignor, instance=instance)
        self.topic = topic
        self.wanted = True
        self.owned = frozenset()
        self.gained, self.lost = [], []  # as the callbacks told, one set for each call
        self.read = []
        self.next = {}  # partition -> offset to commit
        self.error = None
        self.start()

    def run(self):
        try:
            self.consumer = self.open()
            self.consumer.subscribe(self.topic, self._assigned, self._revoked)
            while self.wanted:
                for record in self.consumer.poll(0.2):
                    self.read.append((record.partition, record.value))
                    self.next[(record.topic, record.partition)] = record.offset + 1
                self.owned = frozenset(p for _, p in self.consumer.assignment())
                self._commit()
            self.consumer.close()
            self.owned = frozenset()
        except BaseException as error:
            self.error = error
            raise

    def _commit(self):
        if self.next:
            try:
                self.consumer.commit(dict(self.next))
                self.next = {}
            except Failure as failure:
                if failure.code not in COMMIT_MUST_WAIT and failure.code is not None:
                    raise

    def _assigned(self, partitions):
        self.gained.append({p for _, p in partitions})

    def _revoked(self, partitions):
        self._commit()
        self.lost.append({p for _, p in partitions})
        self.next = {}

    def stop(self):
        self.wanted = False
        self.join(40)
        expect(not self.is_alive(), "a member did not stop")


class Source(threading.Thread):
    """Produces numbered records to all partitions in turn until it is stopped."""

    def __init__(self, client, topic, partitions):
        super().__init__(daemon=True)
        self.producer, self.topic, self.partitions = client.producer(), topic, partitions
        self.wanted, self.sent = True, []
        self.start()

    def run(self):
        while self.wanted:
            partition, value = len(self.sent) % self.partitions, b"%d" % len(self.sent)
            self.producer.send_one(self.topic, value, partition=partition)
            self.sent.append((partition, value))
            time.sleep(0.005)

    def stop(self):
        self.wanted = False
        self.join(40)
        self.producer.close()


def shared_out(members, partitions):
    """Whether the members own all partitions, each member some and none twice."""
    for member in members:
        if member.error:
            raise AssertionError(f"a member ended: {member.error!r}")
    owned = [p for m in members for p in m.owned]
    return sorted(owned) == list(range(partitions)) and all(m.owned for m in members)


def rebalances(client, topic, group, assignor):
    """Three members come one after the other, one goes.

    Returns how many partitions the first gave up at once for the second."""
    partitions = 6
    source = Source(client, topic, partitions)
    members = []
    for _ in range(3):
        members.append(Member(client, topic, group, assignor=assignor))
        wait_until(lambda: shared_out(members, partitions), f"{len(members)} members share")
        if len(members) == 2:
            expect(members[0].lost, "the first member was told of no revocation")
            most_lost = max(len(given_up) for given_up in members[0].lost)
    members[1].stop()
    rest = [members[0], members[2]]
    wait_until(lambda: shared_out(rest, partitions), "the others share what one left")
    source.stop()
    wait_until(
        lambda: set(source.sent) <= {r for m in members for r in m.read}, "every record is read"
    )
    ends = {(topic, p): sum(1 for q, _ in source.sent if q == p) for p in range(partitions)}
    watcher = client.consumer(group=group)
    wait_until(
        lambda: {p: watcher.committed(p) for p in ends} == ends, "the ends are committed", seconds=20
    )
    watcher.close()
    for member in rest:
        member.stop()
    return most_lost


def eager(client, topic, group):
    expect_equal(rebalances(client, topic, group, "eager"), 6, "partitions given up at once")


def cooperative(client, topic, group):
    most = rebalances(client, topic, group, "cooperative")
    expect(most < 6 or not client.keeps_partitions, "the first member gave up all its partitions at once")


def static(client, topic, group):
    partitions = 6
    stays = Member(client, topic, group, instance="stays")  # the first one leads
    wait_until(lambda: shared_out([stays], partitions), "the first member owns all")
    goes = Member(client, topic, group, instance="goes")
    wait_until(lambda: shared_out([stays, goes], partitions), "two static members share")
    fill(client, topic, [1] * partitions)
    wait_until(lambda: len(set(stays.read + goes.read)) == partitions, "both read")
    kept, left, told = stays.owned, goes.owned, (len(stays.gained), len(stays.lost))
    goes.stop()
    fill(client, topic, [5] * partitions, first=1)
    wait_until(lambda: len(of(stays.read, kept)) == 6 * len(kept), "the other reads on")
    expect_equal(stays.owned, kept, "partitions of the other while one is away")
    again = Member(client, topic, group, instance="goes")
    wait_until(lambda: again.owned == left, "the member has its partitions again")
    wait_until(lambda: len(again.read) >= 5 * len(left), "and reads what came meanwhile")
    expect_equal(stays.owned, kept, "partitions of the other")
    expect_equal((len(stays.gained), len(stays.lost)), told, "rebalances of the other")
    for member in (stays, again):
        member.stop()


def of(records, partitions):
    return {r for r in records if r[0] in partitions}


def many_groups(client, topic, group):
    groups, together = 50, 5
    fill(client, topic, [50, 50])
    errors = []

    def use(number):
        try:
            consumer = client.consumer(group=f"{group}-{number}")
            consumer.subscribe(topic)
            count, deadline = 0, time.monotonic() + 60
            while count < 100 and time.monotonic() < deadline:
                count += len(consumer.poll(0.5))
            expect_equal(count, 100, f"records for group {number}")
            consumer.commit({(topic, 0): number, (topic, 1): 50 - number})
            consumer.close()
        except BaseException as error:
            errors.append(error)

    for start in range(0, groups, together):
        threads = [threading.Thread(target=use, args=(start + i,)) for i in range(together)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect(not errors, f"groups failed: {errors}")
    for number in range(groups):
        consumer = client.consumer(group=f"{group}-{number}")
        found = [consumer.committed((topic, p)) for p in (0, 1)]
        consumer.close()
        expect_equal(found, [number, 50 - number], f"offsets of group {number}")
