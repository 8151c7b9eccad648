"""Classic groups of several members that join, sync, commit, leave and come back.

A join waits until all members have joined, and a follower's sync until the leader has synced, so the
runner keeps a small model of the group: it tells which requests have their answer now. Operations that
make no sense at their time are left out, on both brokers alike.
"""

META = bytes.fromhex("0001000000010003676f74ffffffff00000000")
OTHER = bytes.fromhex("00010000000100036f7468ffffffff00000000")
PROTOCOLS = {"a": (("range", META),), "b": (("range", META), ("rr", META)), "c": (("range", OTHER),)}
SLOTS = 4
STATIC = {3: "static-3"}
LONG_MS = 1_800_000
EMPTY, PREPARING, COMPLETING, STABLE = "empty", "preparing", "completing", "stable"


def make(rng, length):
    kinds = {
        "join": 30, "sync": 30, "heartbeat": 12, "commit": 10, "fetch": 4, "leave": 6, "describe": 8,
        "bad_join": 3, "leave_stranger": 2, "delete": 1, "list": 2, "delete_offset": 1,
    }  # fmt: skip
    ops = []
    for _ in range(length):
        kind = rng.choices(list(kinds), kinds.values())[0]
        slot = rng.randrange(SLOTS)
        generation = rng.choices((0, 1, -1, "none"), (12, 1, 2, 1))[0]
        who = rng.choices(("own", "other", "nobody", "empty"), (12, 1, 1, 1))[0]
        more = {
            "join": (rng.choice((5, 7, 9)), rng.choices("abc", (5, 1, 1))[0], rng.choice((False, False, False, True))),
            "sync": (rng.choice((3, 4, 5)), generation),
            "heartbeat": (rng.choice((0, 3, 4)), generation, who),
            "commit": (rng.choice((2, 6, 8)), generation, who, rng.randrange(3), rng.randrange(1000)),
            "leave": (rng.choice((3, 4, 5)),),
            "bad_join": (rng.choice((("zzz", "consumer"), ("range", "connect"), ("range", ""))),),
            "leave_stranger": (rng.choice((0, 3, 5)),),
        }.get(kind, ())
        ops.append((kind, slot, *more))
    return ops


class Runner:
    def __init__(self, s, name):
        self.s = s
        self.group = f"seq-{name}"
        self.ids = {}  # slot -> member id, of members and of those who were told one
        self.members = []  # slots, the leader first
        self.joined = set()  # in the round that is going on
        self.protocols = {}  # slot -> what it joined with
        self.state = EMPTY
        self.generation = -1
        self.waiting = {}  # slot -> (what was sent, api, version)
        s.coordinator()
        if "groups topic" not in s.shared:
            s.shared["groups topic"] = s.topic("seq-groups", 3)

    def run(self, kind, slot, *rest):
        getattr(self, kind)(slot, *rest)

    # ---- Requests that may wait ------------------------------------------------------------------

    def send(self, slot, api, version, body):
        self.waiting[slot] = (self.s.send(api, version, body, on=f"m{slot}"), api, version)
        self.s.pass_by()

    def answers(self, slots):
        """Takes the answers that the model says are there."""
        for slot in sorted(slots):
            sent, api, version = self.waiting.pop(slot)
            answer = self.s.receive(sent, timeout_s=5)
            if answer == "silent":
                raise RuntimeError(f"{self.s.step}: {slot} waits for its answer to {api}")
            if api == "JoinGroup" and isinstance(answer, dict):
                self.learn(slot, answer)
            self.s.note(f"{self.s.step} -> {slot}", answer, api, version)

    def learn(self, slot, answer):
        if answer["MemberId"]:
            self.ids[slot] = answer["MemberId"]
            self.s.name(answer["MemberId"], f"<member {slot}>")
        if answer["ErrorCode"] == 0:
            self.generation = answer["GenerationId"]
        names = {self.ids.get(slot): slot for slot in range(SLOTS)}
        answer["Members"].sort(key=lambda m: names.get(m["MemberId"], 99))

    def of(self, api):
        return {slot for slot, (_, other, _) in self.waiting.items() if other == api}

    def completes(self):
        """Ends the round when everybody has joined."""
        if self.state == PREPARING and self.members and self.joined >= set(self.members):
            self.state = COMPLETING
            self.joined = set()
            self.answers(self.of("JoinGroup"))
        elif self.state == PREPARING and not self.members:
            self.state = EMPTY

    def prepare(self):
        """A new round: who waits for an assignment is told to join again."""
        self.state = PREPARING
        self.joined = set()
        self.answers(self.of("SyncGroup"))

    def join(self, slot, version, which, forgets):
        if slot in self.waiting:
            return
        forgets = forgets and slot in STATIC and slot in self.members and self.state != PREPARING
        body = {
            "GroupId": self.group, "SessionTimeoutMs": LONG_MS, "RebalanceTimeoutMs": LONG_MS, "ProtocolType": "consumer",
            "MemberId": "" if forgets else self.ids.get(slot, "") if slot in self.members else "",
            "GroupInstanceId": STATIC.get(slot),
            "Protocols": [{"Name": n, "Metadata": m} for n, m in PROTOCOLS[which]],
        }  # fmt: skip
        if forgets:
            self.come_back(slot, version, which, body)
            return
        if slot not in self.members:
            if slot not in STATIC:  # is told its id first
                self.send(slot, "JoinGroup", version, body)
                self.answers([slot])
                body["MemberId"] = self.ids.get(slot, "")
            self.members.append(slot)
            self.begin(slot, version, which, body)
            return
        same = self.protocols.get(slot) == which
        if same and (self.state == COMPLETING or (self.state == STABLE and slot != self.members[0])):
            self.send(slot, "JoinGroup", version, body)
            self.answers([slot])
            return
        self.begin(slot, version, which, body)

    def begin(self, slot, version, which, body):
        self.protocols[slot] = which
        self.send(slot, "JoinGroup", version, body)
        if self.state != PREPARING:
            sent = self.waiting.pop(slot)
            self.prepare()
            self.waiting[slot] = sent
        self.joined.add(slot)
        self.completes()

    def come_back(self, slot, version, which, body):
        """A static member that restarted: it keeps its place and gets a new id."""
        same = self.protocols.get(slot) == which
        if self.state != STABLE or not same or slot == self.members[0]:
            return
        self.send(slot, "JoinGroup", version, body)
        self.answers([slot])

    def sync(self, slot, version, generation):
        if slot in self.waiting or slot not in self.ids or self.generation < 0:
            return
        leads = self.members and self.members[0] == slot
        body = {"GroupId": self.group, "GenerationId": self.number(generation), "MemberId": self.ids[slot], "GroupInstanceId": STATIC.get(slot)}
        if version >= 5:
            body |= {"ProtocolType": "consumer"}
        if leads:
            body["Assignments"] = [{"MemberId": self.ids[m], "Assignment": b"to %d" % m} for m in sorted(self.members) if m in self.ids]
        self.send(slot, "SyncGroup", version, body)
        right = slot in self.members and generation == 0
        if self.state != COMPLETING or not right:
            self.answers([slot])
        elif leads:
            self.state = STABLE
            self.answers(self.of("SyncGroup"))

    def leave(self, slot, version):
        if slot not in self.members or slot in self.waiting or self.state == PREPARING:
            return  # leaves within a round: cases_groups.py
        if slot == self.members[0] and len(self.members) > 2:
            return  # Kafka's next leader is any of the others
        body = {"GroupId": self.group, "Members": [{"MemberId": self.ids[slot], "GroupInstanceId": STATIC.get(slot)}]}
        self.s.call(self.s.step, "LeaveGroup", version, body)
        self.members.remove(slot)
        self.joined.discard(slot)
        if self.state in (STABLE, COMPLETING):
            self.prepare()
        self.completes()

    # ---- Requests that are answered at once ------------------------------------------------------

    def number(self, generation):
        return {0: self.generation, 1: self.generation + 1, -1: self.generation - 1, "none": -1}[generation]

    def member(self, slot, who):
        known = sorted(self.ids)
        if who == "other" and known:
            return self.ids[known[slot % len(known)]]
        return {"own": self.ids.get(slot, "stranger"), "empty": ""}.get(who, "nobody")

    def heartbeat(self, slot, version, generation, who):
        body = {"GroupId": self.group, "GenerationId": self.number(generation), "MemberId": self.member(slot, who)}
        if version >= 3 and who == "own":
            body["GroupInstanceId"] = STATIC.get(slot)
        self.s.call(self.s.step, "Heartbeat", version, body)

    def commit(self, slot, version, generation, who, partition, offset):
        parts = [{"PartitionIndex": partition, "CommittedOffset": offset, "CommittedMetadata": f"by {slot}"}]
        body = {
            "GroupId": self.group, "GenerationIdOrMemberEpoch": self.number(generation), "MemberId": self.member(slot, who),
            "Topics": [{"Name": "seq-groups", "Partitions": parts}],
        }  # fmt: skip
        self.s.call(self.s.step, "OffsetCommit", version, body)

    def fetch(self, slot):
        self.s.call(self.s.step, "OffsetFetch", 7, {"GroupId": self.group, "Topics": None}, keep=by_partition)

    def describe(self, slot):
        names = {self.ids.get(slot): slot for slot in range(SLOTS)}

        def keep(answer):
            for group in answer["Groups"]:
                group["Members"].sort(key=lambda m: (names.get(m["MemberId"], 99), m["GroupInstanceId"] or ""))
            return answer

        self.s.call(self.s.step, "DescribeGroups", 5, {"Groups": [self.group]}, keep=keep)

    def list(self, slot):
        def keep(answer):
            return {**answer, "Groups": [g for g in answer["Groups"] if g["GroupId"] == self.group]}

        self.s.call(self.s.step, "ListGroups", 5, {}, keep=keep)

    def bad_join(self, slot, what):
        if not self.members:
            return
        name, type_ = what
        body = {
            "GroupId": self.group, "SessionTimeoutMs": LONG_MS, "RebalanceTimeoutMs": LONG_MS, "MemberId": "",
            "ProtocolType": type_, "Protocols": [{"Name": name, "Metadata": META}],
        }  # fmt: skip
        self.s.call(self.s.step, "JoinGroup", 5, body)

    def leave_stranger(self, slot, version):
        if version < 3:
            body = {"GroupId": self.group, "MemberId": "nobody"}
        else:
            body = {"GroupId": self.group, "Members": [{"MemberId": "nobody"}, {"MemberId": "", "GroupInstanceId": "unknown"}]}
        self.s.call(self.s.step, "LeaveGroup", version, body)

    def delete(self, slot):
        self.s.call(self.s.step, "DeleteGroups", 2, {"GroupsNames": [self.group]})

    def delete_offset(self, slot):
        topics = [{"Name": "seq-groups", "Partitions": [{"PartitionIndex": slot % 3}]}]
        self.s.call(self.s.step, "OffsetDelete", 0, {"GroupId": self.group, "Topics": topics})

    def end(self):
        self.s.step = "at last"
        self.describe(0)
        self.fetch(0)


def by_partition(answer):
    for topic in answer["Topics"]:
        topic["Partitions"].sort(key=lambda p: p["PartitionIndex"])
    return answer
