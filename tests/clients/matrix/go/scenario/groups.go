package scenario

import (
	"fmt"
	"os"
	"sync"
	"time"
)

type place struct {
	partition int32
	offset    int64
}

// ledger knows what was produced and what was processed.
type ledger struct {
	mutex     sync.Mutex
	sent      map[place]bool
	processed map[place]bool
}

func (l *ledger) process(r *Record) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.processed[place{r.Partition, r.Offset}] = true
}

func (l *ledger) missing() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	missing := 0
	for at := range l.sent {
		if !l.processed[at] {
			missing++
		}
	}
	return missing
}

// produce sends a few records again and again until it is stopped; the first error is returned then.
func (l *ledger) produce(t *test) (stop func() error) {
	done, result := make(chan struct{}), make(chan error, 1)
	go func() {
		p, err := t.Producer(ProducerOptions{})
		if err != nil {
			result <- err
			return
		}
		defer p.Close()
		for i := 0; ; i += 20 {
			records := numbered(t.topic, i, 20)
			if err := p.Send(records); err != nil {
				result <- err
				return
			}
			l.mutex.Lock()
			for _, r := range records {
				l.sent[place{r.Partition, r.Offset}] = true
			}
			l.mutex.Unlock()
			select {
			case <-done:
				result <- nil
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() error {
		close(done)
		return <-result
	}
}

// divided tells whether the members have all partitions, each has some, and no two have the same.
func divided(members []Member, partitions int) bool {
	seen := map[int32]bool{}
	count := 0
	for _, m := range members {
		has := m.Partitions()
		if len(has) == 0 {
			return false
		}
		for _, p := range has {
			seen[p] = true
		}
		count += len(has)
	}
	return count == partitions && len(seen) == partitions
}

func describe(members []Member) string {
	text := ""
	for _, m := range members {
		text += fmt.Sprint(m.Partitions(), " ")
	}
	return text
}

func settle(members []Member, what string) {
	limit := 45 * time.Second
	if os.Getenv("MATRIX_SAFE") != "" { // who left while the coordinator died is there until its session ends
		limit = 100 * time.Second
	}
	deadline := time.Now().Add(limit)
	for !divided(members, 6) {
		check(time.Now().Before(deadline), "%s: the partitions are not divided: %s", what,
			describe(members))
		time.Sleep(20 * time.Millisecond)
	}
}

func rebalances(t *test, cooperative bool) {
	l := &ledger{sent: map[place]bool{}, processed: map[place]bool{}}
	stop := l.produce(t)
	join := func() Member {
		m, err := t.Member(t.group, t.topic, MemberOptions{Cooperative: cooperative}, l.process)
		must(err, "member")
		return m
	}
	var members []Member
	for i := 1; i <= 3; i++ {
		members = append(members, join())
		settle(members, fmt.Sprintf("with %d members", i))
	}
	members[1].Close()
	members = []Member{members[0], members[2]}
	settle(members, "when one has left")
	must(stop(), "the producer")
	wait("every record is processed", 30*time.Second, func() bool { return l.missing() == 0 })
	for _, m := range members {
		m.Close()
		must(m.Err(), "a member")
	}
	committed := t.committed(t.group)
	for p := int32(0); p < 6; p++ {
		end := t.offset(t.topic, p, End)
		check(committed[p] == end, "partition %d: committed %d of %d", p, committed[p], end)
	}
}

func static(t *test) {
	l := &ledger{sent: map[place]bool{}, processed: map[place]bool{}}
	join := func(instance string) Member {
		m, err := t.Member(t.group, t.topic,
			MemberOptions{Instance: instance, Session: 20 * time.Second}, l.process)
		must(err, "member")
		return m
	}
	stays, goes := join("stays"), join("goes")
	settle([]Member{stays, goes}, "with two static members")
	time.Sleep(4 * time.Second) // more than a heartbeat: a rebalance under way would show
	settle([]Member{stays, goes}, "with two static members")
	changes, had, other := stays.Changes(), fmt.Sprint(stays.Partitions()), fmt.Sprint(goes.Partitions())
	goes.Close()
	comes := join("goes")
	settle([]Member{stays, comes}, "when one is back")
	check(fmt.Sprint(comes.Partitions()) == other, "the member that is back has %v instead of %s",
		comes.Partitions(), other)
	stop := l.produce(t)
	time.Sleep(4 * time.Second)
	must(stop(), "the producer")
	wait("every record is processed", 30*time.Second, func() bool { return l.missing() == 0 })
	check(stays.Changes() == changes, "the other member saw %d rebalances", stays.Changes()-changes)
	check(fmt.Sprint(stays.Partitions()) == had, "the other member has %v instead of %s",
		stays.Partitions(), had)
	for _, m := range []Member{stays, comes} {
		m.Close()
		must(m.Err(), "a member")
	}
}

func manyGroups(t *test) {
	const groups, n = 50, 20
	t.send(numbered(t.topic, 0, 2*n))
	results := make(chan error, groups)
	running := make(chan struct{}, 10)
	name := func(i int) string { return fmt.Sprintf("%s-%d", t.group, i) }
	for i := 0; i < groups; i++ {
		go func() {
			running <- struct{}{}
			defer func() { <-running }()
			read, err := t.ReadInGroup(name(i), t.topic, i%n+1)
			if err == nil && len(read) != i%n+1 {
				err = fmt.Errorf("%d records instead of %d", len(read), i%n+1)
			}
			results <- err
		}()
	}
	for i := 0; i < groups; i++ {
		must(<-results, "a group")
	}
	for i := 0; i < groups; i++ {
		committed := t.committed(name(i))
		total := max(committed[0], 0) + max(committed[1], 0)
		check(total == int64(i%n+1), "group %d committed %d of %d", i, total, i%n+1)
	}
}
