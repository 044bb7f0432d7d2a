// Count is a target to scrape in tests: a Go program that counts its own allocations and remembers how
// many there were at each heap profile that it gave. It prints its address as the first line and exits
// when its standard input closes.
//
// Every fourth request for the profile is refused, as a busy server would. /stop and /go hold and release
// the work; /snapshots gives the counts at each profile so far.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"time"
)

// Sizes of which the allocator wastes nothing, so that what is asked for is what is counted.
const (
	smallSize = 512
	largeSize = 64 << 10
)

// counts are calls of the functions that allocate, each of them one object.
type counts struct {
	Node, Small, Large int64
}

type node struct {
	next [6]*node // 48 bytes
}

var (
	now       counts
	snapshots []counts
	gate      sync.Mutex // Held by a piece of work, and while a profile is taken.
	held      bool
	requests  int

	nodes  [100]*node
	blocks [100][]byte
)

//go:noinline
func newNode(i int) {
	nodes[i%len(nodes)] = new(node)
	now.Node++
}

//go:noinline
func newSmall(i int) {
	blocks[i%len(blocks)] = make([]byte, smallSize)
	now.Small++
}

//go:noinline
func newLarge(i int) {
	blocks[i%len(blocks)] = make([]byte, largeSize)
	now.Large++
}

func work() {
	for i := 0; ; i++ {
		gate.Lock()
		if !held {
			newNode(i)
			newSmall(i)
			if i%7 == 0 {
				newLarge(i)
			}
		}
		gate.Unlock()
		time.Sleep(500 * time.Microsecond)
	}
}

// heap gives the profile of this moment: that of the runtime is as of the last collection.
func heap(w http.ResponseWriter, _ *http.Request) {
	gate.Lock()
	defer gate.Unlock()
	requests++
	if requests%4 == 0 {
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	runtime.GC()
	runtime.GC()
	var profile bytes.Buffer
	if err := pprof.Lookup("heap").WriteTo(&profile, 0); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	snapshots = append(snapshots, now)
	w.Write(profile.Bytes())
}

func hold(value bool) http.HandlerFunc {
	return func(http.ResponseWriter, *http.Request) {
		gate.Lock()
		defer gate.Unlock()
		held = value
	}
}

func main() {
	runtime.MemProfileRate = 1
	// A collection that an allocation starts would allocate on its stack, too.
	debug.SetGCPercent(-1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr())
	http.HandleFunc("/debug/pprof/heap", heap)
	http.HandleFunc("/stop", hold(true))
	http.HandleFunc("/go", hold(false))
	http.HandleFunc("/snapshots", func(w http.ResponseWriter, _ *http.Request) {
		gate.Lock()
		defer gate.Unlock()
		json.NewEncoder(w).Encode(snapshots)
	})
	go http.Serve(listener, nil)
	go work()
	io.Copy(io.Discard, os.Stdin)
}
