// Hold is a target to scrape in tests: a Go program with net/http/pprof whose profiles hold known
// functions. It prints its address as the first line and exits when its standard input closes.
//
// main.burn takes CPU time, three quarters of it in main.inner, which it calls; main.allocate allocates
// blocks of 64 KiB, every one of them in the heap profile, and keeps the last 64 of them, 4 MiB. Both
// are done with labels: task, and the span that they would belong to.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"
)

const (
	blockSize = 64 << 10
	kept      = 64
	steps     = 50_000 // of spin, under a tenth of a millisecond
)

var (
	sink   uint64
	blocks [kept][]byte
)

//go:noinline
func inner() {
	x := sink
	for i := range uint64(3 * steps) {
		x = x*6364136223846793005 + i
	}
	sink = x
}

//go:noinline
func burn() {
	x := sink
	for i := range uint64(steps) {
		x = x*6364136223846793005 + i
	}
	sink = x
	inner()
}

//go:noinline
func allocate(i int) {
	blocks[i%kept] = make([]byte, blockSize)
}

func main() {
	runtime.MemProfileRate = 1
	runtime.SetBlockProfileRate(1)
	runtime.SetMutexProfileFraction(1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr())
	go http.Serve(listener, nil)
	go work()
	go contend()
	io.Copy(io.Discard, os.Stdin)
}

// work keeps about a third of a core busy.
func work() {
	labels := pprof.Labels("task", "burn",
		"trace_id", "0af7651916cd43dd8448eb211c80319c", "span_id", "b7ad6b7169203331")
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), labels))
	for i := 0; ; i++ {
		for start := time.Now(); time.Since(start) < 10*time.Millisecond; {
			burn()
		}
		allocate(i)
		time.Sleep(20 * time.Millisecond)
	}
}

// contend makes events for the block and mutex profiles: two goroutines that want one lock.
func contend() {
	var mu sync.Mutex
	hold := func() {
		for {
			mu.Lock()
			time.Sleep(5 * time.Millisecond)
			mu.Unlock()
			time.Sleep(5 * time.Millisecond)
		}
	}
	go hold()
	hold()
}
