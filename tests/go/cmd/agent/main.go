// Agent is a Go program that pushes its own profiles with pyroscope-go to the server that its first
// argument names, and serves them at the same time: with net/http/pprof, and as deltas with godeltaprof.
// It prints its address as the first line and exits when its standard input closes.
//
// /work?n=N does known work: N calls of main.newNode, one object each, N/10 of main.newLarge, some waiting
// for a lock, and CPU time in main.burn, of which the answer says how much it was, in nanoseconds. /flush
// pushes what there is and waits until the server has it.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	_ "github.com/grafana/pyroscope-go/godeltaprof/http/pprof"

	"github.com/grafana/pyroscope-go"
)

type node struct {
	next [6]*node // 48 bytes
}

var (
	nodes  [100]*node
	blocks [100][]byte
	sink   uint64
	lock   sync.Mutex
)

//go:noinline
func newNode(i int) {
	nodes[i%len(nodes)] = new(node)
}

//go:noinline
func newLarge(i int) {
	blocks[i%len(blocks)] = make([]byte, 64<<10)
}

//go:noinline
func burn() {
	x := sink
	for i := range uint64(100_000) {
		x = x*6364136223846793005 + i
	}
	sink = x
}

//go:noinline
func holdLock() {
	lock.Lock()
	time.Sleep(2 * time.Millisecond)
	lock.Unlock()
}

// cpuTime is what the process used, in nanoseconds.
func cpuTime() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func work(n int) int64 {
	before := cpuTime()
	for cpuTime()-before < int64(2*time.Second) {
		burn()
	}
	used := cpuTime() - before
	for i := range n {
		newNode(i)
	}
	for i := range n / 10 {
		newLarge(i)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 10 {
				holdLock()
			}
		})
	}
	group.Wait()
	// What was allocated is in a heap profile after the second collection.
	for range 3 {
		runtime.GC()
	}
	return used
}

type logger struct{}

func (logger) Infof(string, ...any)  {}
func (logger) Debugf(string, ...any) {}
func (logger) Errorf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func main() {
	runtime.MemProfileRate = 1
	runtime.SetBlockProfileRate(1)
	runtime.SetMutexProfileFraction(1)
	profiler, err := pyroscope.Start(pyroscope.Config{
		ApplicationName: "pushed",
		ServerAddress:   os.Args[1],
		UploadRate:      time.Second,
		Logger:          logger{},
		Tags:            map[string]string{"region": "<b>eu</b>", "hostname": "agent-1"},
		ProfileTypes: []pyroscope.ProfileType{
			pyroscope.ProfileCPU, pyroscope.ProfileGoroutines,
			pyroscope.ProfileAllocObjects, pyroscope.ProfileAllocSpace,
			pyroscope.ProfileInuseObjects, pyroscope.ProfileInuseSpace,
			pyroscope.ProfileMutexCount, pyroscope.ProfileMutexDuration,
			pyroscope.ProfileBlockCount, pyroscope.ProfileBlockDuration,
		},
	})
	if err != nil {
		panic(err)
	}
	http.HandleFunc("/work", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.FormValue("n"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, work(n))
	})
	http.HandleFunc("/flush", func(http.ResponseWriter, *http.Request) { profiler.Flush(true) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	go http.Serve(listener, nil)
	io.Copy(io.Discard, os.Stdin)
}
