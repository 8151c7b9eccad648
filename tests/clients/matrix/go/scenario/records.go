package scenario

import (
	"bytes"
	"fmt"
	"math/rand"
	"time"
)

func sameBytes(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func same(sent, got *Record) {
	where := fmt.Sprintf("partition %d offset %d", got.Partition, got.Offset)
	check(got.Partition == sent.Partition && got.Offset == sent.Offset,
		"%s: sent to partition %d offset %d", where, sent.Partition, sent.Offset)
	check(sameBytes(sent.Key, got.Key), "%s: key %q, sent %q", where, got.Key, sent.Key)
	check(sameBytes(sent.Value, got.Value), "%s: value of %d bytes, null %v; sent %d, null %v", where,
		len(got.Value), got.Value == nil, len(sent.Value), sent.Value == nil)
	check(len(sent.Headers) == len(got.Headers), "%s: %d headers, sent %d", where,
		len(got.Headers), len(sent.Headers))
	for i, h := range sent.Headers {
		g := got.Headers[i]
		check(h.Key == g.Key && sameBytes(h.Value, g.Value), "%s: header %d is %q=%q, sent %q=%q",
			where, i, g.Key, g.Value, h.Key, h.Value)
	}
}

// readBack checks that the records come back as they went, in order, partition by partition.
func (t *test) readBack(sent []*Record) {
	partitions := map[int32][]*Record{}
	for _, r := range sent {
		partitions[r.Partition] = append(partitions[r.Partition], r)
	}
	for partition, records := range partitions {
		r := t.reader(records[0].Topic, partition, records[0].Offset)
		for i, got := range take(r, len(records)) {
			same(records[i], got)
		}
		r.Close()
	}
}

func codecs(t *test) {
	random := rand.New(rand.NewSource(1))
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		var records []*Record
		for i := 0; i < 500; i++ {
			value := bytes.Repeat([]byte("value "), random.Intn(100))
			noise := make([]byte, random.Intn(100))
			random.Read(noise)
			key := fmt.Sprintf("%s-%d", codec, i)
			records = append(records, &Record{Topic: t.topic, Key: []byte(key),
				Value: append(append(value, noise...), 'x')})
		}
		p := t.producer(ProducerOptions{Codec: codec})
		must(p.Send(records), codec)
		p.Close()
		used := map[int32]bool{}
		for _, r := range records {
			used[r.Partition] = true
		}
		check(len(used) == 3, "%s: %d partitions were used", codec, len(used))
		t.readBack(records)
	}
}

func headersAndNulls(t *test) {
	keys, values := [][]byte{nil, []byte("key")}, [][]byte{nil, []byte("value")}
	one := []Header{{"a", []byte("1")}}
	several := []Header{{"a", []byte("1")}, {"b", nil}, {"a", []byte("2")}, {"", []byte("x")}}
	if t.TellsEmpty() {
		keys, values = append(keys, []byte{}), append(values, []byte{})
		several = append(several, Header{"c", []byte{}})
	}
	var records []*Record
	for _, key := range keys {
		for _, value := range values {
			for _, headers := range [][]Header{nil, one, several} {
				records = append(records,
					&Record{Topic: t.topic, Key: key, Value: value, Headers: headers})
			}
		}
	}
	p := t.producer(ProducerOptions{})
	defer p.Close()
	for _, r := range records { // one by one, so that offsets are in the order of sending
		must(p.Send([]*Record{r}), "send")
	}
	t.readBack(records)
}

// largestValue is how long the value of a record without key and headers may be for its batch to be
// of so many bytes: 61 of the batch's own, 3 of the record's length, and in the record 3 of the
// value's length and 5 of attributes, deltas, null key and no headers.
func largestValue(batch int) int { return batch - 61 - 3 - 3 - 5 }

func sizes(t *test) {
	const limit = 200_000
	p := t.producer(ProducerOptions{MaxBytes: 4 << 20, Codec: "none"})
	defer p.Close()
	value := func(n int) []byte { return bytes.Repeat([]byte{'v'}, n) }

	sent := []*Record{}
	for _, n := range []int{1, 100, 10_000, largestValue(limit)} {
		r := &Record{Topic: t.topic, Value: value(n)}
		must(p.Send([]*Record{r}), fmt.Sprintf("value of %d bytes", n))
		sent = append(sent, r)
	}
	for _, n := range []int{largestValue(limit) + 1, 500_000} {
		err := p.Send([]*Record{{Topic: t.topic, Value: value(n)}})
		t.refused(err, fmt.Sprintf("value of %d bytes", n), messageTooLarge)
	}
	last := &Record{Topic: t.topic, Value: value(7)}
	must(p.Send([]*Record{last}), "after an oversized value")
	t.readBack(append(sent, last))

	large := t.topic + "-large"
	for _, n := range []int{500_000, largestValue(1_048_588)} {
		r := &Record{Topic: large, Value: value(n)}
		must(p.Send([]*Record{r}), fmt.Sprintf("value of %d bytes, default limit", n))
		t.readBack([]*Record{r})
	}
	err := p.Send([]*Record{{Topic: large, Value: value(largestValue(1_048_588) + 1)}})
	t.refused(err, "one byte more than the default limit", messageTooLarge)
}

// idempotent sends through a proxy that cuts connections. Clients without idempotence may repeat
// records; the order of first appearance holds where the client keeps it.
func idempotent(t *test) {
	const n, chunk = 3000, 60
	p := t.producer(ProducerOptions{Idempotent: true})
	defer p.Close()
	once := t.Idempotence()
	padding := make([]byte, 200) // that no codec makes smaller
	rand.New(rand.NewSource(3)).Read(padding)
	for i := 0; i < n; i += chunk {
		records := numbered(t.topic, i, chunk)
		for _, r := range records {
			r.Value = append(r.Value, padding...)
		}
		must(p.Send(records), fmt.Sprintf("records from %d", i))
	}
	seen := map[string]int{}
	for partition := int32(0); partition < 3; partition++ {
		end := t.offset(t.topic, partition, End)
		last := -1
		r := t.reader(t.topic, partition, Start)
		for _, got := range take(r, int(end)) {
			var i int
			_, err := fmt.Sscanf(string(got.Key), "key-%d", &i)
			must(err, "key")
			seen[string(got.Key)]++
			if seen[string(got.Key)] == 1 {
				check(i > last || !t.KeepsOrder(), "partition %d: record %d after %d", partition, i, last)
				last = i
			}
			check(!once || seen[string(got.Key)] == 1, "record %d is there twice", i)
		}
		r.Close()
	}
	check(len(seen) == n, "%d of %d records are there", len(seen), n)
}

func slowConsumer(t *test) {
	const n = 2000
	idle := t.topic + "-idle"
	began := time.Now()
	waiting := make(chan error, 1)
	idler := t.reader(idle, 0, Start)
	defer idler.Close()
	go func() {
		ctx, cancel := deadline(60 * time.Second)
		defer cancel()
		_, err := idler.Next(ctx)
		waiting <- err
	}()

	p := t.producer(ProducerOptions{})
	defer p.Close()
	random := rand.New(rand.NewSource(2))
	var sent []*Record
	for i := 0; i < n; i += 100 {
		records := numbered(t.topic, i, 100)
		for _, r := range records {
			r.Value = make([]byte, 10_000)
			random.Read(r.Value)
		}
		must(p.Send(records), "send")
		sent = append(sent, records...)
	}
	r, err := t.Reader(t.topic, 0, Start, true)
	must(err, "reader")
	defer r.Close()
	for i := 0; i < n; i += 100 {
		for j, got := range take(r, 100) {
			same(sent[i+j], got)
		}
		time.Sleep(250 * time.Millisecond)
	}

	time.Sleep(time.Until(began.Add(12 * time.Second)))
	select {
	case err := <-waiting:
		fail("the idle consumer got something too early: %v", err)
	default:
	}
	must(p.Send(numbered(idle, 0, 1)), "send to the idle consumer")
	must(<-waiting, "the idle consumer")
}
