#!/usr/bin/env python3
"""Breaks raft/ on purpose, one rule at a time, and looks whether a test notices.

usage: raft_mutants.py BUILD_DIR [--seeds N] [NAME ...]

Each mutant is one replacement in one file. It is killed by the simulation when a seed fails, when an
assertion does, or when a run ends with leaders being missed for too long; what survives that is left
to the unit tests. A mutant that survives both is a rule that nothing tests. Needs a build with tests
in BUILD_DIR; changes nothing there.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIRST_SEEDS = 1000
SIMULATION = "tests/sim/test_sim_raft"
UNIT_TESTS = [f"tests/unit/raft/test_raft_{name}" for name in ("votes", "epochs", "leader")]

# name, file in raft/, text, what is put in its place
MUTANTS = [
    # ---- Votes
    ("vote_without_log_check", "raft_election.c",
     "return raft->ballot.leader_id < 0 && log_not_behind(raft, vote->last);",
     "return raft->ballot.leader_id < 0;"),
    ("pre_vote_without_log_check", "raft_election.c",
     "        return false;\n    }\n    return log_not_behind(raft, vote->last);",
     "        return false;\n    }\n    return true;"),
    ("two_votes_in_an_epoch", "raft_election.c",
     "if (raft->ballot.voted.id >= 0) {\n        return raft_key_matches",
     "if (vote->epoch < 0) {\n        return raft_key_matches"),
    ("log_compared_by_offset_only", "raft_election.c",
     "return last.epoch > ours.epoch || (last.epoch == ours.epoch && last.offset >= ours.offset);",
     "return last.offset >= ours.offset;"),
    ("log_compared_by_epoch_only", "raft_election.c",
     "return last.epoch > ours.epoch || (last.epoch == ours.epoch && last.offset >= ours.offset);",
     "return last.epoch >= ours.epoch;"),
    ("vote_not_persisted", "raft_election.c",
     "    raft_emit(raft, RAFT_PERSIST)->ballot = *ballot;",
     "    struct raft_ballot *out = &raft_emit(raft, RAFT_PERSIST)->ballot;\n"
     "    *out = *ballot;\n    out->voted = RAFT_KEY_NONE;"),
    ("answer_before_persisted", "raft_election.c",
     "    if (granted && !vote->pre_vote &&\n"
     "        (raft->ballot.voted.id < 0 || raft->role == RAFT_PROSPECTIVE)) {\n"
     "        raft_become_unattached(raft, vote->epoch, vote->candidate);\n    }\n"
     "    raft_emit_reply(raft, token, RAFT_VOTE, ERROR_NONE)->reply.granted = granted;\n",
     "    raft_emit_reply(raft, token, RAFT_VOTE, ERROR_NONE)->reply.granted = granted;\n"
     "    if (granted && !vote->pre_vote &&\n"
     "        (raft->ballot.voted.id < 0 || raft->role == RAFT_PROSPECTIVE)) {\n"
     "        raft_become_unattached(raft, vote->epoch, vote->candidate);\n    }\n"),
    ("any_voter_key", "raft_election.c",
     "if (vote->voter.id >= 0 && !raft_key_matches(vote->voter, raft->config.self)) {",
     "if (vote->voter.id < -1) {"),
    ("majority_is_half", "raft_election.c",
     "int majority = voters / 2 + 1;", "int majority = (voters + 1) / 2;"),
    ("candidate_counts_itself_though_removed", "raft_election.c",
     "int granted = raft_is_voter(raft);", "int granted = 1;"),
    ("late_vote_counts", "raft_election.c",
     "        raft->peers[i].request_id = 0; /* an answer to an old question is none to this one */\n",
     ""),
    ("old_leader_takes_its_candidate_back", "raft_election.c",
     "    } else if (leader_id >= 0 && raft->ballot.leader_id < 0) {\n",
     "    } else if (leader_id >= 0 && raft->role == RAFT_PROSPECTIVE) {\n"
     "        raft_become_follower(raft, epoch, leader_id);\n"
     "    } else if (leader_id >= 0 && raft->ballot.leader_id < 0) {\n"),
    ("lost_election_waits_for_the_dead", "raft_election.c",
     "rejected += rejected > 0 ? unreachable : 0;", "(void)unreachable;"),
    # ---- Pre-vote and doubt
    ("pre_vote_though_leader_heard", "raft_election.c",
     "(raft->role == RAFT_FOLLOWER && raft->fetched)", "false"),
    ("leader_grants_pre_vote", "raft_election.c",
     "if (raft->role == RAFT_LEADER || (raft->role == RAFT_FOLLOWER && raft->fetched)) {",
     "if (raft->role == RAFT_FOLLOWER && raft->fetched) {"),
    ("no_pre_vote", "raft_election.c",
     "    if (granted >= majority) {\n        if (raft->role",
     "    if (granted >= majority || raft->role == RAFT_PROSPECTIVE) {\n        if (raft->role"),
    ("broken_connection_is_no_sign", "raft.c",
     "if (broken && raft->role == RAFT_FOLLOWER &&", "if (false && raft->role == RAFT_FOLLOWER &&"),
    ("resigned_leader_is_no_sign", "raft_election.c",
     "    raft_observe(raft, end->epoch, end->leader_id);\n"
     "    raft_emit_reply(raft, token, RAFT_END_EPOCH, ERROR_NONE);\n"
     "    if (raft->role == RAFT_FOLLOWER &&",
     "    raft_observe(raft, end->epoch, end->leader_id);\n"
     "    raft_emit_reply(raft, token, RAFT_END_EPOCH, ERROR_NONE);\n"
     "    if (false && raft->role == RAFT_FOLLOWER &&"),
    ("first_election_waits_for_its_timeout", "raft_election.c",
     "return FIRST_ELECTION_MIN_MS + ", "return raft->config.election_timeout_ms + "),
    ("check_quorum_never", "raft_leader.c",
     "if (lost_at <= raft->now_ms) {", "if (lost_at < 0) {"),
    ("refusing_voter_waits_for_its_timeout", "raft_election.c",
     "    if (raft->called || !astray) {\n        stand_soon(raft);",
     "    if (false) {\n        stand_soon(raft);"),
    ("observers_are_never_called", "raft_election.c",
     "raft->called = raft->called || (known && raft_same_key(asked, raft->config.self));",
     "(void)known;\n    (void)asked;"),
    ("observers_are_called_by_their_node_id", "raft_election.c",
     "raft->called = raft->called || (known && raft_same_key(asked, raft->config.self));",
     "(void)known;\n    raft->called = raft->called || asked.id == raft->config.self.id;"),
    ("an_observer_that_hears_its_leader_is_called", "raft_election.c",
     "bool astray = raft->role == RAFT_FOLLOWER && raft->astray;",
     "bool astray = raft->role == RAFT_FOLLOWER;"),
    ("a_call_is_for_ever", "raft_election.c",
     "raft->called = raft->called && (role == RAFT_PROSPECTIVE || role == RAFT_CANDIDATE);", ""),
    ("a_log_that_is_not_behind_calls", "raft_election.c",
     "    if (!log_not_behind(raft, vote->last)) {\n        refused_shorter_log",
     "    if (!granted || log_not_behind(raft, vote->last)) {\n        refused_shorter_log"),
    ("new_disk_of_an_observer_asks_voters_only", "raft.c",
     "    ids[count++] = -1;\n", ""),
    # ---- Epochs
    ("higher_epoch_ignored_in_votes", "raft_election.c",
     "if (vote->epoch > raft->ballot.epoch) {\n        raft_become_unattached",
     "if (vote->epoch < 0) {\n"
     "        raft_become_unattached"),
    ("higher_epoch_ignored_in_answers", "raft_election.c",
     "    if (epoch > raft->ballot.epoch) {\n        if (leader_id >= 0) {",
     "    if (epoch > raft->ballot.epoch && raft->role == RAFT_LEADER) {\n"
     "        if (leader_id >= 0) {"),
    ("answer_of_another_epoch_taken", "raft_follower.c",
     "bool current = raft->role == RAFT_FOLLOWER && reply->epoch == raft->ballot.epoch &&\n"
     "                   reply->leader_id == raft->ballot.leader_id && !raft->installing;",
     "bool current = raft->role == RAFT_FOLLOWER;"),
    ("any_answer_is_that_of_the_fetch", "raft.c",
     "if (raft->fetch_id == id && reply->kind == RAFT_FETCH) {",
     "if (reply->kind == RAFT_FETCH) {"),
    # ---- The high watermark
    ("older_epochs_committed_by_counting", "raft_leader.c",
     "if (reached > raft->epoch_start && reached > raft->log.high_watermark) {",
     "if (reached > raft->log.high_watermark) {"),
    ("older_epochs_committed_with_nothing_new", "raft_leader.c",
     "if (reached > raft->epoch_start && reached > raft->log.high_watermark) {",
     "if (reached >= raft->epoch_start && reached > raft->log.high_watermark) {"),
    ("half_is_enough_to_commit", "raft_leader.c",
     "return values[count / 2];", "return values[(count - 1) / 2];"),
    ("leader_counts_what_it_has_not_synced", "raft_leader.c",
     "values[count++] = raft->log.synced_offset;", "values[count++] = raft->log.end_offset;"),
    ("removed_leader_counts_itself", "raft_leader.c",
     "    if (raft_is_voter(raft)) {\n        values[count++] = raft->log.synced_offset;\n    }",
     "    values[count++] = raft->log.synced_offset;"),
    ("observers_count", "raft_leader.c",
     "        if (raft->peers[i].voter) {\n            values[count++] = raft->peers[i].match_offset;",
     "        if (count < RAFT_VOTERS_MAX) {\n"
     "            values[count++] = raft->peers[i].match_offset;"),
    ("what_was_fetched_in_older_epochs_counts", "raft_leader.c",
     "        peer->match_offset = -1;\n", ""),
    ("follower_fetches_before_it_synced", "raft.c",
     " && !raft->installing &&\n           raft->log.synced_offset == raft->log.end_offset;",
     " && !raft->installing;"),
    ("synced_of_a_truncated_log_counts", "raft.c",
     "if (generation == raft->log.generation) {\n        ASSERT(end_offset <= raft->log.end_offset);",
     "if (end_offset <= raft->log.end_offset) {"),
    ("follower_commits_what_it_has_not", "raft_follower.c",
     "int64_t offset = told < raft->log.end_offset ? told : raft->log.end_offset;",
     "int64_t offset = told;"),
    ("high_watermark_goes_back", "raft_follower.c",
     "if (offset > raft->log.high_watermark) {",
     "if (offset >= 0 && offset != raft->log.high_watermark) {"),
    # ---- The log
    ("divergence_by_epoch_only", "raft_leader.c",
     "if (end.epoch != fetch->from.epoch || end.offset < fetch->from.offset) {",
     "if (end.epoch != fetch->from.epoch) {"),
    ("divergence_by_offset_only", "raft_leader.c",
     "if (end.epoch != fetch->from.epoch || end.offset < fetch->from.offset) {",
     "if (raft->log.end_offset < fetch->from.offset) {"),
    ("truncated_to_where_the_leader_says", "raft_follower.c",
     "int64_t offset = ours.offset < diverging.offset ? ours.offset : diverging.offset;",
     "int64_t offset = diverging.offset;"),
    ("truncation_keeps_epochs", "raft_log.c",
     "while (log->epoch_count > 0 && log->epochs[log->epoch_count - 1].offset >= offset) {",
     "while (log->epoch_count > 0 && log->epochs[log->epoch_count - 1].offset > offset) {"),
    ("snapshot_by_offset_only", "raft_leader.c",
     "    return from.offset < start.offset ||\n"
     "           (from.offset == start.offset && from.epoch != start.epoch) || "
     "from.epoch < start.epoch;",
     "    return from.offset < start.offset;"),
    ("snapshot_forgets_its_voters", "raft_log.c",
     "while (drop + 1 < log->voters_count && log->voters[drop + 1].offset < start.offset) {",
     "while (drop + 1 < log->voters_count) {"),
    ("snapshot_given_up_with_the_role", "raft_election.c",
     "    raft->fetch_id = 0;\n    if (led) {",
     "    raft->fetch_id = 0;\n    raft->installing = false;\n    if (led) {"),
    # ---- Voters
    ("peers_do_not_follow_the_voters", "raft_election.c",
     "        raft_voters_apply(raft); /* the log may have others now; a leader's observers go */\n",
     ""),
    ("truncation_keeps_voters", "raft_log.c",
     "while (log->voters_count > 1 && log->voters[log->voters_count - 1].offset >= offset) {",
     "while (log->voters_count > 1 && log->voters[log->voters_count - 1].offset > offset) {"),
    ("leader_does_not_follow_its_change", "raft_leader.c",
     "    emit_append(raft, RAFT_APPEND_VOTERS, token, known_now ? 2 : 1, voters);\n"
     "    raft_voters_apply(raft);",
     "    emit_append(raft, RAFT_APPEND_VOTERS, token, known_now ? 2 : 1, voters);"),
    ("two_changes_at_once", "raft_leader.c",
     "return raft->leading_told && !raft->change.pending ?", "return raft->leading_told ?"),
    ("change_before_anything_is_committed", "raft_leader.c",
     "return raft->leading_told && !raft->change.pending ?", "return !raft->change.pending ?"),
    ("new_voter_has_not_caught_up", "raft_leader.c",
     "return peer == NULL || peer->caught_up_ms < 0 ?", "return peer == NULL ?"),
    ("observers_are_never_forgotten", "raft_leader.c",
     "    raft_voters_apply(raft); /* observers that do not fetch any more are forgotten */\n", ""),
    ("removed_voters_observe", "raft.c", "peer->fetched_ms >= 0 &&\n           ", ""),
    ("a_node_id_twice", "raft_leader.c",
     "if (voters->keys[i].id == key.id) {\n            return ERROR_DUPLICATE_VOTER;",
     "if (raft_same_key(voters->keys[i], key)) {\n            return ERROR_DUPLICATE_VOTER;"),
    ("removed_leader_stays", "raft_leader.c",
     "raft_become_resigned(raft); /* it was removed, and that is agreed on now */", ""),
    ("removed_without_commit_cannot_stand", "raft.c",
     "(before != NULL && in_voters(before, raft->config.self));",
     "(before == NULL && in_voters(raft_log_voters(&raft->log), raft->config.self));"),
]


class Compiler:
    """Compiles and links as the build does, with one object of raft/ replaced."""

    def __init__(self, build, scratch):
        self.build = build
        self.scratch = scratch
        commands = subprocess.run(
            ["ninja", "-C", str(build), "-t", "commands", SIMULATION, *UNIT_TESTS],
            check=True, capture_output=True, text=True).stdout.splitlines()
        self.link = {target: [c for c in commands if f" -o {target} " in c][-1]
                     for target in [SIMULATION, *UNIT_TESTS]}
        self.compile = {}
        for command in commands:
            match = re.search(r" -c (\S*/raft/(\w+\.c))$", command)
            if match and "libraft" in command:
                self.compile[match[2]] = (command, match[1])

    def run(self, command):
        return subprocess.run(command, shell=True, cwd=self.build, capture_output=True, text=True)

    def mutate(self, name, source):
        """Makes the library with raft/`name` replaced by this source; false when it is no C."""
        command, path = self.compile[name]
        mutated = self.scratch / name
        mutated.write_text(source)
        object_file = self.scratch / "mutant.o"
        command = command.replace(f"-c {path}", f"-c {mutated}")
        command = re.sub(r" -o \S+", f" -o {object_file}", command)
        command = re.sub(r" -M\S* \S+ -MF \S+", "", command).replace("-Werror", "")
        done = self.run(command)
        if done.returncode != 0:
            print(done.stderr[-2000:], file=sys.stderr)
            return False
        library = self.scratch / "libraft.a"
        objects = [p for p in (self.build / "raft" / "libraft.a.p").glob("*.o")
                   if not p.name.endswith(name + ".o")]
        library.unlink(missing_ok=True)
        subprocess.run(["ar", "csr", str(library), str(object_file), *map(str, objects)],
                       check=True)
        return True

    def program(self, target):
        """The program of the build, with that library."""
        program = self.scratch / "mutant"
        link = self.link[target].replace("raft/libraft.a", str(self.scratch / "libraft.a"))
        link = re.sub(r" -o \S+", f" -o {program}", link, count=1)
        done = self.run(link)
        if done.returncode != 0:
            sys.exit(done.stderr[-2000:])
        return program


def killed_by_unit_test(compiler):
    """The first test that fails, or None."""
    for target in UNIT_TESTS:
        done = subprocess.run([str(compiler.program(target))], capture_output=True, text=True,
                              timeout=60)
        match = re.search(r"\[FAIL\] (\S+):", done.stderr + done.stdout)
        if done.returncode != 0:
            return match[1] if match else target
    return None


def killed_by_simulation(program, seeds):
    """(seed, how) of the first failure, or None."""
    first = 1
    while first <= seeds:
        count = min(FIRST_SEEDS, seeds - first + 1)
        environment = dict(os.environ, SIM_FIRST=str(first), SIM_SEEDS=str(count))
        done = subprocess.run(
            [str(program), "--filter", "raft/agrees*"],
            env=environment, capture_output=True, text=True, timeout=1200)
        output = done.stderr + done.stdout
        if done.returncode != 0:
            match = re.search(r"SIM_SEED=(\d+)(: (.*)| died)", output)
            if match:
                return int(match[1]), match[3] or "an assertion"
            return first + count - 1, "leaders are missed for too long"
        first += count
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=5000)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_intermixed_args()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="raft-mutants-"))
    compiler = Compiler(arguments.build.resolve(), scratch)
    survived = []
    tried = 0
    by_units = 0
    try:
        for name, file, old, new in MUTANTS:
            if arguments.names and name not in arguments.names:
                continue
            source = (ROOT / "raft" / file).read_text()
            if source.count(old) != 1:
                sys.exit(f"{name}: its text is {source.count(old)} times in raft/{file}")
            if not compiler.mutate(file, source.replace(old, new)):
                sys.exit(f"{name}: does not compile")
            tried += 1
            killed = killed_by_simulation(compiler.program(SIMULATION), arguments.seeds)
            if killed is not None:
                print(f"killed   {name} at seed {killed[0]}: {killed[1]}", flush=True)
                continue
            test = killed_by_unit_test(compiler)
            by_units += test is not None
            if test is not None:
                print(f"killed   {name} by {test}", flush=True)
            else:
                survived.append(name)
                print(f"SURVIVED {name}", flush=True)
    finally:
        shutil.rmtree(scratch)
    print(f"{tried - len(survived)} of {tried} mutants killed, {by_units} of them only by unit tests; "
          f"at most {arguments.seeds} seeds each")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
