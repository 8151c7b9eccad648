"""Classic groups and committed offsets."""

import uuid

NOBODY = uuid.UUID("11111111-2222-3333-4444-555555555555")
META = bytes.fromhex("0001000000010003" + "676f74" + "ffffffff" + "00000000")


def join(s, label, v, group, member="", on="a", instance=None, protocols=(("range", META),), type_="consumer", session=10000, rebalance=20000, **more):
    body = {
        "GroupId": group, "SessionTimeoutMs": session, "MemberId": member, "ProtocolType": type_,
        "Protocols": [{"Name": n, "Metadata": m} for n, m in protocols], **more,
    }  # fmt: skip
    if v >= 1:
        body["RebalanceTimeoutMs"] = rebalance
    if v >= 5:
        body["GroupInstanceId"] = instance
    answer = s.ask("JoinGroup", v, body, on=on)
    if isinstance(answer, dict):
        s.name(answer["MemberId"], f"<member {label}>") if answer["MemberId"] and answer["MemberId"] not in s.names else None
        answer["Members"].sort(key=lambda m: s.names.get(m["MemberId"], ""))
    return s.note(label, answer, "JoinGroup", v)


def sync(s, label, v, group, generation, member, assignments=(), on="a", **more):
    body = {
        "GroupId": group, "GenerationId": generation, "MemberId": member,
        "Assignments": [{"MemberId": m, "Assignment": a} for m, a in assignments], **more,
    }  # fmt: skip
    return s.call(label, "SyncGroup", v, body, on=on)


def case_join(s):
    s.coordinator()
    for v in s.versions("JoinGroup"):
        g = f"join{v}"
        first = join(s, f"{v} new", v, g)
        member = first["MemberId"]
        if v >= 4:
            first = join(s, f"{v} with id", v, g, member)
        member, generation = first["MemberId"], first["GenerationId"]
        join(s, f"{v} unknown id", v, g, "nobody")
        join(s, f"{v} empty group", v, "")
        join(s, f"{v} short session", v, g + "x", session=10)
        join(s, f"{v} long session", v, g + "x", session=99999999)
        join(s, f"{v} session 0", v, g + "x", session=0)
        join(s, f"{v} rebalance -1", v, g + "y", rebalance=-1)
        join(s, f"{v} no protocols", v, g + "x", protocols=())
        join(s, f"{v} no type", v, g + "x", type_="")
        join(s, f"{v} other type", v, g, type_="connect")
        join(s, f"{v} other protocol", v, g, protocols=(("foo", b""),))
        join(s, f"{v} unknown group", v, g + "z", "nobody")
        sv = min(v, s.newest("SyncGroup"))
        extra = {"ProtocolType": "consumer", "ProtocolName": "range"} if sv >= 5 else {}
        sync(s, "wrong generation", sv, g, generation + 1, member, **extra)
        sync(s, "unknown member", sv, g, generation, "nobody", **extra)
        sync(s, "unknown group", sv, g + "none", 1, "nobody", **extra)
        sync(s, "empty group", sv, "", 1, "nobody", **extra)
        if sv >= 5:
            sync(s, "wrong type", sv, g, generation, member, ProtocolType="x", ProtocolName="range")
            sync(s, "wrong name", sv, g, generation, member, ProtocolType="consumer", ProtocolName="x")
        s.call("before sync", "DescribeGroups", 5, {"Groups": [g]})
        commit = {"GroupId": g, "GenerationIdOrMemberEpoch": generation, "MemberId": member, "Topics": []}
        s.call("commit before sync", "OffsetCommit", 8, commit)
        s.call("heartbeat before sync", "Heartbeat", 3, {"GroupId": g, "GenerationId": generation, "MemberId": member})
        sync(s, "sync", sv, g, generation, member, [(member, b"mine"), ("nobody", b"x")], **extra)
        sync(s, "sync again", sv, g, generation, member, [(member, b"other")], **extra)
        join(s, f"{v} again", v, g, member)
        sync(s, "sync without assignment", sv, g, generation + 1, member, **extra)
        for hv in s.versions("Heartbeat"):
            for label, gg, gen, m in (("good", g, generation, member), ("next", g, generation + 1, member), ("member", g, generation + 1, "x"), ("group", "no", 1, "x"), ("empty", "", 1, "")):
                s.call(f"{v} {label}", "Heartbeat", hv, {"GroupId": gg, "GenerationId": gen, "MemberId": m})
        s.call("now", "DescribeGroups", 5, {"Groups": [g]})
        lv = min(v, s.newest("LeaveGroup"))
        leave(s, "leave unknown", lv, g, "nobody")
        leave(s, "leave", lv, g, member)
        leave(s, "left", lv, g, member)
        leave(s, "leave unknown group", lv, g + "none", member)
        leave(s, "leave empty group", lv, "", member)
        s.call("empty", "DescribeGroups", 5, {"Groups": [g]})


def leave(s, label, v, group, *members):
    if v < 3:
        s.call(label, "LeaveGroup", v, {"GroupId": group, "MemberId": members[0]})
    else:
        members = [{"MemberId": m} if isinstance(m, str) else {"MemberId": m[0], "GroupInstanceId": m[1]} for m in members]
        s.call(label, "LeaveGroup", v, {"GroupId": group, "Members": members})


def case_two_members(s):
    s.coordinator()
    g = "two"

    def body(member, protocols):
        return {"GroupId": g, "SessionTimeoutMs": 10000, "RebalanceTimeoutMs": 10000, "MemberId": member, "ProtocolType": "consumer",
                "Protocols": [{"Name": n, "Metadata": META} for n in protocols]}  # fmt: skip

    a = join(s, "a", 3, g, protocols=(("range", META), ("sticky", META)))
    sync(s, "a", 3, g, 1, a["MemberId"], [(a["MemberId"], b"all")])
    second = s.send("JoinGroup", 5, body("", ["sticky", "other"]), on="b")
    told = s.receive(second)
    s.name(told["MemberId"], "<member b>")
    s.note("b is given an id", told, "JoinGroup", 5)
    second = s.send("JoinGroup", 5, body(told["MemberId"], ["sticky", "other"]), on="b")
    while s.ask("Heartbeat", 3, {"GroupId": g, "GenerationId": 1, "MemberId": a["MemberId"]})["ErrorCode"] == 0:
        pass
    s.call("rebalance", "Heartbeat", 3, {"GroupId": g, "GenerationId": 1, "MemberId": a["MemberId"]})
    s.call("preparing", "DescribeGroups", 5, {"Groups": [g]}, keep=members_by_name(s))
    sync(s, "while preparing", 3, g, 1, a["MemberId"])
    s.call("commit while preparing", "OffsetCommit", 8, {"GroupId": g, "GenerationIdOrMemberEpoch": 1, "MemberId": a["MemberId"], "Topics": []})
    a = join(s, "a again", 5, g, a["MemberId"], protocols=(("range", META), ("sticky", META)))
    b = s.receive(second)
    s.note("b joined", b, "JoinGroup", 5)
    waiting = s.send("SyncGroup", 3, {"GroupId": g, "GenerationId": 2, "MemberId": b["MemberId"]}, on="b")
    s.call("completing", "DescribeGroups", 5, {"Groups": [g]}, keep=members_by_name(s))
    s.call("completing", "Heartbeat", 3, {"GroupId": g, "GenerationId": 2, "MemberId": a["MemberId"]})
    sync(s, "a", 3, g, 2, a["MemberId"], [(a["MemberId"], b"A"), (b["MemberId"], b"B")])
    s.note("b synced", s.receive(waiting), "SyncGroup", 3)
    s.call("stable", "DescribeGroups", 5, {"Groups": [g]}, keep=members_by_name(s))
    for v in s.versions("ListGroups"):
        def keep(answer):
            answer["Groups"] = [x for x in answer["Groups"] if x["GroupId"] in (g, "join0", "join9")]
            answer["Groups"].sort(key=lambda x: x["GroupId"])
            return answer

        s.call("all", "ListGroups", v, {}, keep=keep)
        if v >= 4:
            for states in (["Stable"], ["stable"], ["Empty"], ["Stable", "Empty"], ["Dead"], ["foo"], [""]):
                s.call(f"{states}", "ListGroups", v, {"StatesFilter": states}, keep=keep)
        if v >= 5:
            for types in (["classic"], ["Classic"], ["consumer"], ["share"], ["foo"], ["classic", "foo"]):
                s.call(f"{types}", "ListGroups", v, {"TypesFilter": types}, keep=keep)
    for v in s.versions("DescribeGroups"):
        s.call("stable", "DescribeGroups", v, {"Groups": [g]}, keep=members_by_name(s))
        s.call("unknown", "DescribeGroups", v, {"Groups": ["none", "", g + "x"]})
        s.call("none", "DescribeGroups", v, {"Groups": []})
        s.call("twice", "DescribeGroups", v, {"Groups": ["none", "none"]})
        if v >= 3:
            s.call("operations", "DescribeGroups", v, {"Groups": [g, "none"], "IncludeAuthorizedOperations": True}, keep=members_by_name(s))
    for v in s.versions("DeleteGroups"):
        s.call("not empty", "DeleteGroups", v, {"GroupsNames": [g, "none", ""]}, keep=results_by_group)
    leave(s, "both and a stranger", 3, g, a["MemberId"], b["MemberId"], "x")
    for v in s.versions("DeleteGroups"):
        s.call("empty", "DeleteGroups", v, {"GroupsNames": [g]})
        s.call("none", "DeleteGroups", v, {"GroupsNames": []})
        s.call("twice", "DeleteGroups", v, {"GroupsNames": [g, g]})
    s.call("dead", "DescribeGroups", 5, {"Groups": [g]})


def results_by_group(answer):
    answer["Results"].sort(key=lambda r: r["GroupId"])
    return answer


def members_by_name(s):
    def keep(answer):
        for group in answer["Groups"]:
            group["Members"].sort(key=lambda m: s.names.get(m["MemberId"], ""))
        return answer

    return keep


def case_static(s):
    s.coordinator()
    for v in (5, 7, 9):
        g = f"static{v}"
        a = join(s, f"{v} a", v, g, instance="i1")
        sync(s, "a", 5, g, a["GenerationId"], a["MemberId"], [(a["MemberId"], b"A")], GroupInstanceId="i1", ProtocolType="consumer", ProtocolName="range")
        again = join(s, f"{v} returns", v, g, instance="i1")
        join(s, f"{v} old id", v, g, a["MemberId"], instance="i1")
        join(s, f"{v} unknown instance", v, g, "nobody", instance="i9")
        for label, m, i in (("old", a["MemberId"], "i1"), ("new", again["MemberId"], "i1"), ("none", again["MemberId"], "i2"), ("no instance", again["MemberId"], None)):
            s.call(label, "Heartbeat", 4, {"GroupId": g, "GenerationId": again["GenerationId"], "MemberId": m, "GroupInstanceId": i})
            s.call(label, "SyncGroup", 5, {"GroupId": g, "GenerationId": again["GenerationId"], "MemberId": m, "GroupInstanceId": i, "ProtocolType": "consumer", "ProtocolName": "range"})
            s.call(label, "OffsetCommit", 8, {"GroupId": g, "GenerationIdOrMemberEpoch": again["GenerationId"], "MemberId": m, "GroupInstanceId": i, "Topics": [
                {"Name": "nowhere", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 1, "CommittedMetadata": ""}]}]})  # fmt: skip
        s.call("now", "DescribeGroups", 5, {"Groups": [g]})
        leave(s, "old id", 4, g, (a["MemberId"], "i1"))
        leave(s, "unknown instance", 4, g, ("", "i7"))
        leave(s, "by instance", 4, g, ("", "i1"))
        leave(s, "again", 4, g, ("", "i1"))


def commit_body(v, group, topics, generation=-1, member="", **more):
    key = "TopicId" if v >= 10 else "Name"
    return {"GroupId": group, "GenerationIdOrMemberEpoch": generation, "MemberId": member, "Topics": [
        {key: t, "Partitions": [{"PartitionIndex": p, "CommittedOffset": o, "CommittedMetadata": m} for p, o, m in ps]}
        for t, ps in topics], **more}  # fmt: skip


def case_offsets(s):
    s.coordinator()
    id_ = s.topic("off", 2)
    for v in s.versions("OffsetCommit"):
        g = f"commit{v}"
        t, none = (id_, NOBODY) if v >= 10 else ("off", "off-none")

        def one(label, topics, **more):
            s.call(label, "OffsetCommit", v, commit_body(v, g, topics, **more))

        one("plain", [(t, [(0, 5, "m"), (1, 6, None)])])
        one("unknown", [(t, [(7, 5, "")]), (none, [(0, 5, "")])])
        one("mixed", [(t, [(7, 5, ""), (0, 9, "")])])
        one("negative partition", [(t, [(-1, 5, "")])])
        one("offset -1", [(t, [(0, -1, "")])])
        one("offset -5", [(t, [(0, -5, "")])])
        one("offset 2^62", [(t, [(0, 2**62, "")])])
        one("metadata 4096", [(t, [(0, 7, "x" * 4096)])])
        one("metadata 4097", [(t, [(0, 7, "x" * 4097), (1, 8, "")])])
        one("twice", [(t, [(0, 1, ""), (0, 2, "")])])
        one("no topics", [])
        one("no partitions", [(t, [])])
        one("generation 0", [(t, [(0, 1, "")])], generation=0)
        one("generation 5 and member", [(t, [(0, 1, "")])], generation=5, member="x")
        one("member only", [(t, [(0, 1, "")])], member="x")
        one("generation -2", [(t, [(0, 1, "")])], generation=-2)
        one("bad name", [("a b" if v < 10 else uuid.UUID(int=0), [(0, 1, "")])])
        s.call("empty group", "OffsetCommit", v, commit_body(v, "", [(t, [(0, 1, "")])]))
        s.call("new group with generation", "OffsetCommit", v, commit_body(v, g + "new", [(t, [(0, 1, "")])], generation=3))
        s.call("new group with member", "OffsetCommit", v, commit_body(v, g + "new", [(t, [(0, 1, "")])], member="x"))
        if v >= 6:
            body = commit_body(v, g, [(t, [(0, 3, "")])])
            body["Topics"][0]["Partitions"][0]["CommittedLeaderEpoch"] = 7
            s.call("leader epoch", "OffsetCommit", v, body)
        if v >= 7:
            s.call("instance", "OffsetCommit", v, commit_body(v, g, [(t, [(0, 3, "")])], GroupInstanceId="i"))
        s.call("then", "OffsetFetch", 7, {"GroupId": g, "Topics": None}, keep=topics_by_name)
        s.call("group", "DescribeGroups", 5, {"Groups": [g]})
    for v in s.versions("OffsetFetch"):
        if v < 8:
            def one(label, group, topics, **more):
                topics = topics and [{"Name": t, "PartitionIndexes": p} for t, p in topics]
                s.call(label, "OffsetFetch", v, {"GroupId": group, "Topics": topics, **more}, keep=topics_by_name)
        else:
            def one(label, group, topics, **more):
                key = "TopicId" if v >= 10 else "Name"
                names = {"off": id_, "off-none": NOBODY, "a b": uuid.UUID(int=0)} if v >= 10 else {}
                topics = topics and [{key: names.get(t, t), "PartitionIndexes": p} for t, p in topics]
                s.call(label, "OffsetFetch", v, {"Groups": [{"GroupId": group, "Topics": topics}], **more}, keep=topics_by_name)

        one("some", "commit2", [("off", [0, 1, 7, -1])])
        one("unknown topic", "commit2", [("off-none", [0]), ("off", [0])])
        one("bad topic", "commit2", [("a b", [0])])
        one("unknown group", "commit-none", [("off", [0])])
        one("empty group", "", [("off", [0])])
        one("no topics", "commit2", [])
        one("no partitions", "commit2", [("off", [])])
        one("twice", "commit2", [("off", [0, 0]), ("off", [1])])
        if v >= 2:
            one("all", "commit2", None)
            one("all of unknown group", "commit-none", None)
            one("all of empty group", "", None)
        if v >= 7:
            one("stable", "commit2", [("off", [0])], RequireStable=True)
        if v >= 8:
            s.call("no groups", "OffsetFetch", v, {"Groups": []})
            s.call("two groups", "OffsetFetch", v, {"Groups": [{"GroupId": "commit2", "Topics": None}, {"GroupId": "none", "Topics": None}]}, keep=topics_by_name)
            s.call("group twice", "OffsetFetch", v, {"Groups": [{"GroupId": "commit2", "Topics": None}] * 2}, keep=topics_by_name)
        if v >= 9:
            for member, epoch in (("x", 1), ("", -1), (None, 5), ("x", -1), (None, -1)):
                s.call(f"member {member} {epoch}", "OffsetFetch", v, {"Groups": [{"GroupId": "commit2", "MemberId": member, "MemberEpoch": epoch, "Topics": None}]}, keep=topics_by_name)


def case_member_commits(s):
    s.coordinator()
    id_ = s.topic("mem", 2)
    member = join(s, "m", 3, "mem")
    sync(s, "m", 3, "mem", 1, member["MemberId"], [(member["MemberId"], b"x")])
    for v in s.versions("OffsetCommit"):
        t = id_ if v >= 10 else "mem"
        for generation in (1, 0, 2, -1):
            for who in (member["MemberId"], "x", ""):
                body = commit_body(v, "mem", [(t, [(0, v, f"{generation}")])], generation, who)
                s.call(f"{generation} by {'m' if len(who) > 1 else who!r}", "OffsetCommit", v, body)
        s.call("then", "OffsetFetch", 7, {"GroupId": "mem", "Topics": None})
    s.call("delete while in use", "DeleteGroups", 2, {"GroupsNames": ["mem"]})
    s.call("delete topic", "DeleteTopics", 5, {"TopicNames": ["mem"], "TimeoutMs": 10000})
    s.until("OffsetFetch", 7, {"GroupId": "mem", "Topics": None}, lambda a: not a["Topics"])
    s.call("gone with its topic", "OffsetFetch", 7, {"GroupId": "mem", "Topics": None})
    leave(s, "leave", 3, "mem", member["MemberId"])
    s.call("delete", "DeleteGroups", 2, {"GroupsNames": ["mem"]})
    s.call("deleted", "OffsetFetch", 7, {"GroupId": "mem", "Topics": None})


def case_protocols(s):
    """Which protocol a group chooses, and what changes a generation."""
    s.coordinator()
    first = join(s, "p1", 3, "prot", protocols=(("a", META), ("b", META)))
    member = first["MemberId"]
    sync(s, "p1", 3, "prot", 1, member, [(member, b"x")])
    join(s, "same again", 3, "prot", member, protocols=(("a", META), ("b", META)))
    sync(s, "p1", 3, "prot", 2, member, [(member, b"y")])
    join(s, "fewer", 3, "prot", member, protocols=(("b", META),))
    sync(s, "p1", 3, "prot", 3, member, [(member, b"z")])
    join(s, "stranger", 3, "prot", protocols=(("c", META),))
    join(s, "other type", 3, "prot", protocols=(("b", META),), type_="connect")
    s.call("now", "DescribeGroups", 5, {"Groups": ["prot"]})


def topics_by_name(answer):
    for group in answer.get("Groups", [answer]):
        group["Topics"].sort(key=lambda t: (t.get("Name") or "", str(t.get("TopicId"))))
        for topic in group["Topics"]:
            topic["Partitions"].sort(key=lambda p: p["PartitionIndex"])
    return answer


def case_offset_delete(s):
    s.coordinator()
    s.topic("offd", 3)

    def one(label, group, topics):
        topics = [{"Name": t, "Partitions": [{"PartitionIndex": p} for p in ps]} for t, ps in topics]
        s.call(label, "OffsetDelete", 0, {"GroupId": group, "Topics": topics})

    s.ask("OffsetCommit", 8, commit_body(8, "del", [("offd", [(0, 1, ""), (1, 2, "")])]))
    one("unknown group", "del-none", [("offd", [0])])
    one("empty group", "", [("offd", [0])])
    one("unknown topic", "del", [("offd-none", [0])])
    one("unknown partition", "del", [("offd", [9, -1])])
    one("not committed", "del", [("offd", [2])])
    one("one", "del", [("offd", [0])])
    one("again", "del", [("offd", [0])])
    one("none", "del", [])
    one("no partitions", "del", [("offd", [])])
    s.call("left", "OffsetFetch", 7, {"GroupId": "del", "Topics": None})
    one("last", "del", [("offd", [1])])
    s.call("left", "DescribeGroups", 5, {"Groups": ["del"]})
    a = join(s, "subscriber", 3, "del2", protocols=(("range", bytes.fromhex("0001" + "00000001" + "0004" + "6f666664" + "ffffffff" + "00000000")),))
    sync(s, "subscriber", 3, "del2", 1, a["MemberId"], [(a["MemberId"], b"")])
    one("subscribed", "del2", [("offd", [0]), ("offd-none", [0])])
    s.topic("offe")
    one("not subscribed", "del2", [("offe", [0])])
    b = join(s, "other type", 3, "del3", type_="connect")
    sync(s, "other type", 3, "del3", 1, b["MemberId"], [(b["MemberId"], b"")])
    one("not a consumer", "del3", [("offd", [0])])
