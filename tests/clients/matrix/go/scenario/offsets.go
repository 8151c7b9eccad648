package scenario

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
)

func deadline(after time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), after)
}

// asked is the answer to a question that is not sent again by the clients themselves when its node has
// just died.
func asked[A any](what string, question func() (A, error)) A {
	answer, err := question()
	for i := 0; err != nil && i < 20 && os.Getenv("MATRIX_SAFE") != ""; i++ {
		time.Sleep(200 * time.Millisecond)
		answer, err = question()
	}
	must(err, what)
	return answer
}

func (t *test) offset(topic string, partition int32, at int64) int64 {
	return asked(fmt.Sprintf("offset at %d", at), func() (int64, error) { return t.OffsetAt(topic, partition, at) })
}

func (t *test) committed(group string) map[int32]int64 {
	return asked("committed offsets", func() (map[int32]int64, error) { return t.Committed(group, t.topic) })
}

func seekByTime(t *test) {
	first := time.Now().Add(-200 * time.Second).Truncate(time.Millisecond)
	p := t.producer(ProducerOptions{})
	defer p.Close()
	records := numbered(t.topic, 0, 100)
	for i, r := range records {
		r.Time = first.Add(time.Duration(i) * time.Second)
		must(p.Send([]*Record{r}), "send")
	}
	for _, c := range []struct {
		what string
		at   time.Time
		want int64
	}{
		{"before all", first.Add(-time.Hour), 0},
		{"the first", first, 0},
		{"the 40th", first.Add(40 * time.Second), 40},
		{"between two", first.Add(40*time.Second + 500*time.Millisecond), 41},
		{"the last", first.Add(99 * time.Second), 99},
		{"after all", first.Add(time.Hour), 100},
	} {
		got := t.offset(t.topic, 0, c.at.UnixMilli())
		check(got == c.want, "%s: offset %d, expected %d", c.what, got, c.want)
		if got < 100 {
			r := t.reader(t.topic, 0, got)
			record := take(r, 1)[0]
			r.Close()
			check(record.Offset == c.want && !record.Time.Before(c.at), "%s: offset %d of %v", c.what,
				record.Offset, record.Time)
		}
	}
}

func replay(t *test) {
	const n = 200
	sent := numbered(t.topic, 0, n)
	t.send(sent)
	first, err := t.ReadInGroup(t.group, t.topic, n)
	must(err, "read in a group")
	for i, got := range first {
		same(sent[i], got)
	}
	committed := t.committed(t.group)
	check(committed[0] == n, "committed %d of %d", committed[0], n)

	r := t.reader(t.topic, 0, n/4)
	defer r.Close()
	same(sent[n/4], take(r, 1)[0])
	for _, from := range []int64{Start, n / 2, 0, n - 1} {
		must(r.SeekTo(from), "seek")
		at := max(from, 0)
		for i, got := range take(r, int(n-at)) {
			same(sent[int(at)+i], got)
		}
	}
	must(r.SeekTo(End), "seek to the end")
	more := numbered(t.topic, n, 1)
	received := make(chan *Record, 1)
	go func() {
		ctx, cancel := deadline(30 * time.Second)
		defer cancel()
		got, _ := r.Next(ctx)
		received <- got
	}()
	time.Sleep(2 * time.Second) // clients resolve the end when they first fetch
	t.send(more)
	got := <-received
	check(got != nil, "nothing came behind the end")
	same(more[0], got)
	must(t.Commit(t.group, t.topic, map[int32]int64{0: n / 2}), "commit an earlier offset")
	again, err := t.ReadInGroup(t.group, t.topic, n/4)
	must(err, "read in a group again")
	for i, got := range again {
		same(sent[n/2+i], got)
	}
}

func lag(t *test) {
	const n, part = 300, 100
	sent := numbered(t.topic, 0, n)
	t.send(sent)
	read, err := t.ReadInGroup(t.group, t.topic, part)
	must(err, "read in a group")
	want := map[int32]Progress{}
	for _, r := range sent {
		p := want[r.Partition]
		p.End, p.Lag = p.End+1, p.Lag+1
		want[r.Partition] = p
	}
	for _, r := range read {
		p := want[r.Partition]
		p.Committed, p.Lag = p.Committed+1, p.Lag-1
		want[r.Partition] = p
	}
	check(len(want) == 2, "%d partitions were used", len(want))
	got, err := t.Progress(t.group, t.topic)
	must(err, "lag")
	total := int64(0)
	for partition, p := range want {
		g := got[partition]
		g.Committed = max(g.Committed, 0) // nothing read of this partition, nothing committed
		check(g == p, "partition %d: %+v, expected %+v", partition, g, p)
		total += p.Lag
	}
	check(total == n-part, "lag %d in all", total)
}

// watched is a member with what it has read so far.
type watched struct {
	Member
	mutex sync.Mutex
	read  []*Record
}

func (w *watched) first() *Record {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if len(w.read) == 0 {
		return nil
	}
	return w.read[0]
}

func (t *test) watch(group string, options MemberOptions) *watched {
	w := &watched{}
	member, err := t.Member(group, t.topic, options, func(r *Record) {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		w.read = append(w.read, r)
	})
	must(err, "member")
	w.Member = member
	return w
}

func offsetReset(t *test) {
	const n = 10
	t.send(numbered(t.topic, 0, n))
	tried := 0
	for _, beyond := range []bool{false, true} {
		for _, policy := range []string{"earliest", "latest", "none"} {
			if !t.CanReset(policy, beyond) {
				continue
			}
			tried++
			what := fmt.Sprintf("%s, offset beyond the end %v", policy, beyond)
			group := fmt.Sprintf("%s-%s-%v", t.group, policy, beyond)
			if beyond {
				must(t.Commit(group, t.topic, map[int32]int64{0: 100_000}), "commit")
			}
			end := t.offset(t.topic, 0, End)
			member := t.watch(group, MemberOptions{Reset: policy})
			switch policy {
			case "earliest":
				wait(what, 30*time.Second, func() bool { return member.first() != nil })
				check(member.first().Offset == 0, "%s: began at %d", what, member.first().Offset)
			case "latest":
				wait(what, 30*time.Second, func() bool {
					t.send(numbered(t.topic, 0, 1))
					return member.first() != nil
				})
				check(member.first().Offset >= end, "%s: began at %d of %d", what,
					member.first().Offset, end)
			case "none":
				wait(what, 30*time.Second, func() bool { return member.Err() != nil })
				if beyond {
					t.refused(member.Err(), what, offsetOutOfRange)
				}
				check(member.first() == nil, "%s: records came", what)
			}
			if policy != "none" {
				must(member.Err(), what)
			}
			member.Close()
		}
	}
	check(tried > 1, "nothing was tried")
}
