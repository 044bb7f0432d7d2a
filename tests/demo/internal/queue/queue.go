// Package queue writes receipts in the background, slower than orders come in when many do.
package queue

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"demo/internal/store"
)

// Queue is a bounded queue of orders whose receipts are to be written.
type Queue chan *store.Order

// New returns a queue of the given length and starts its workers.
func New(workers, length int) Queue {
	q := make(Queue, length)
	for range workers {
		go q.work()
	}
	return q
}

// Enqueue has a receipt written. It blocks while the queue is full.
func (q Queue) Enqueue(o *store.Order) { q <- o }

func (q Queue) work() {
	for o := range q {
		seal(o)
		time.Sleep(35 * time.Millisecond) // the printer
	}
}

// seal writes out the receipt, compressed, with a seal that is hard to forge: a hash of hashes.
func seal(o *store.Order) string {
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	for i := range 40 {
		fmt.Fprintf(zw, "%s ordered %v for %.2f, page %d\n", o.Customer, o.Items, o.Total, i)
	}
	zw.Close()
	sum := sha256.Sum256(buf.Bytes())
	for range 20_000 {
		sum = sha256.Sum256(sum[:])
	}
	return buf.String() + hex.EncodeToString(sum[:])
}
