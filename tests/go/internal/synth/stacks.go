// Package synth makes pprof profiles for tests and benchmarks, the same ones for the same seed.
package synth

import (
	_ "embed"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/google/pprof/profile"
)

// functionTable lists functions of Go's standard library: name, file and first line, as in the profiles
// of a program built with Go 1.26.
//
//go:embed functions.tsv
var functionTable string

// layers lists packages in the order in which they call each other, the application's own first.
var layers = []string{
	"app", "net/http", "html/template", "text/template", "database/sql", "log/slog", "encoding/json", "regexp",
	"regexp/syntax", "net/url", "net/textproto", "compress/gzip", "compress/flate", "crypto/tls",
	"crypto/internal/fips140/aes/gcm", "crypto/internal/fips140/sha256", "encoding/base64", "fmt", "reflect", "sort",
	"bufio", "net", "io", "internal/poll", "bytes", "strings", "strconv", "time", "context", "sync", "unicode/utf8",
	"syscall", "internal/runtime/maps", "runtime",
}

// service is the name of the program whose heap profiles are made.
const service = "checkout"

// goroot is where the sources of a toolchain are that the go command has fetched by itself.
const goroot = "/go/pkg/mod/golang.org/toolchain@v0.0.1-go1.26.0.linux-amd64/src/"

// rootFrames are those below the first frame of an application's handler, outermost first.
var rootFrames = []string{
	"net/http.(*conn).serve", "net/http.serverHandler.ServeHTTP", "net/http.(*ServeMux).ServeHTTP",
	"net/http.HandlerFunc.ServeHTTP",
}

const (
	callSites = 6    // places in a function from which it calls others, at most
	fresh     = 0.02 // by depth: number of calls from one place that are new while its visits multiply by e
)

// program is a made-up Go program: its functions and the call sites between them that stacks have visited.
type program struct {
	rng       *rand.Rand
	functions [][]*profile.Function // by layer
	byName    map[string]*profile.Function
	base      map[*profile.Function]uint64 // address of the function's first instruction
	mapping   *profile.Mapping
	nodes     map[string]*node
	entry     map[string]*node // for each of rootFrames
}

// node is a call site with what has been called from there.
type node struct {
	site   *profile.Location
	layer  int
	calls  []*node
	visits int
}

func newProgram(rng *rand.Rand) *program {
	g := &program{
		rng:       rng,
		functions: make([][]*profile.Function, len(layers)),
		byName:    make(map[string]*profile.Function),
		base:      make(map[*profile.Function]uint64),
		nodes:     make(map[string]*node),
		entry:     make(map[string]*node),
		mapping: &profile.Mapping{ID: 1, Start: 0x400000, Limit: 0x1000000, File: "/usr/local/bin/" + service,
			BuildID: fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64()), HasFunctions: true},
	}
	rank := make(map[string]int, len(layers))
	for i, pkg := range layers {
		rank[pkg] = i
	}
	for _, row := range strings.Split(strings.TrimSpace(functionTable), "\n") {
		col := strings.Split(row, "\t")
		line, err := strconv.ParseInt(col[2], 10, 64)
		if err != nil {
			panic(err)
		}
		g.define(rank[packageOf(col[0])], col[0], goroot+col[1], line)
	}
	for _, own := range g.functions {
		rng.Shuffle(len(own), func(i, j int) { own[i], own[j] = own[j], own[i] })
	}
	for _, pkg := range []string{"api", "auth", "cache", "domain", "events", "middleware", "orders", "pricing", "store"} {
		file := 0
		for _, recv := range []string{"(*Handler)", "(*Service)", "(*Client)", "(*batch)"} {
			line := int64(20 + rng.IntN(30))
			for _, verb := range []string{"Get", "List", "Update", "validate", "encode", "Apply"} {
				name := fmt.Sprintf("shop.example/%s/internal/%s.%s.%s%s", service, pkg, recv, verb,
					[]string{"Item", "Order", "Price", "User", "Batch"}[rng.IntN(5)])
				if g.byName[name] == nil && rng.IntN(3) > 0 {
					g.define(0, name, fmt.Sprintf("/go/src/shop.example/%s/internal/%s/%s%d.go", service, pkg, pkg, file), line)
				}
				line += int64(15 + rng.IntN(60))
			}
			file++
		}
	}
	for _, name := range rootFrames {
		g.entry[name] = g.node(0, g.byName[name], nil)
	}
	return g
}

func packageOf(function string) string {
	slash := strings.LastIndexByte(function, '/') + 1
	return function[:slash+strings.IndexByte(function[slash:], '.')]
}

func (g *program) define(layer int, name, file string, line int64) {
	f := &profile.Function{Name: name, SystemName: name, Filename: file, StartLine: line}
	g.base[f] = g.mapping.Start + 0x1000 + uint64(len(g.byName))*0x600
	g.byName[name] = f
	g.functions[layer] = append(g.functions[layer], f)
}

// node returns a call site in a function, one of a few; at some of them a second function is inlined.
func (g *program) node(layer int, f, inlined *profile.Function) *node {
	line := f.StartLine + 2 + 9*int64(g.rng.IntN(callSites)*g.rng.IntN(2))
	key := fmt.Sprint(f.Name, line)
	n := g.nodes[key]
	if n == nil {
		n = &node{layer: layer, site: &profile.Location{
			Mapping: g.mapping,
			Address: g.base[f] + uint64(line-f.StartLine)*37,
			Line:    []profile.Line{{Function: f, Line: line}},
		}}
		if inlined != nil && inlined != f {
			inner := profile.Line{Function: inlined, Line: inlined.StartLine + 1}
			n.site.Line = []profile.Line{inner, n.site.Line[0]}
		}
		g.nodes[key] = n
	}
	return n
}

// call returns a call made from n: one that was made before or, the less often n was visited the more
// likely, a new one, to the same package or to one below it.
func (g *program) call(n *node, depth int, last bool) *node {
	weight := fresh * float64(depth)
	if len(n.calls) > 0 && g.rng.Float64() > weight/(weight+float64(n.visits)) {
		return n.calls[skewed(g.rng, len(n.calls), 5)] // a few of them take most of the visits
	}
	layer := n.layer
	if last {
		layer = len(layers) - 1
	} else if g.rng.IntN(100) < 38 {
		layer = min(layer+1+g.rng.IntN(6), len(layers)-1)
	}
	candidates := g.functions[layer]
	f := candidates[skewed(g.rng, len(candidates), 2)]
	var inlined *profile.Function
	if g.rng.IntN(7) == 0 {
		inlined = candidates[g.rng.IntN(len(candidates))]
	}
	c := g.node(layer, f, inlined)
	n.calls = append(n.calls, c)
	return c
}

// skewed returns a number below n, a small one the more often the larger the exponent.
func skewed(rng *rand.Rand, n int, exponent float64) int {
	return int(math.Pow(rng.Float64(), exponent) * float64(n))
}

// stack walks to a stack of the given depth and returns it leaf first.
func (g *program) stack(depth int) []*profile.Location {
	var path []*profile.Location
	var n *node
	for _, name := range rootFrames {
		n = g.entry[name]
		path = append(path, n.site)
	}
	for len(path) < depth {
		n = g.call(n, len(path), len(path) >= depth-depth%3)
		n.visits++
		path = append(path, n.site)
	}
	for i, j := 0, len(path)-1; i < j; i, j = i+1, j-1 {
		path[i], path[j] = path[j], path[i]
	}
	return path
}

// stacks returns n different stacks whose depth is normally distributed.
func (g *program) stacks(n int, mean, deviation float64) [][]*profile.Location {
	seen := make(map[string]bool, n)
	var all [][]*profile.Location
	for len(all) < n {
		depth := int(mean + deviation*g.rng.NormFloat64())
		s := g.stack(min(max(depth, 5), 60))
		if key := fmt.Sprint(s); !seen[key] {
			seen[key] = true
			all = append(all, s)
		}
	}
	return all
}

// fill fills in the tables of p, which has samples and mappings only, in the order in which the samples
// use them, as Go's runtime does.
func fill(p *profile.Profile) *profile.Profile {
	seen := make(map[*profile.Location]bool)
	functions := make(map[*profile.Function]bool)
	for _, s := range p.Sample {
		for _, loc := range s.Location {
			if seen[loc] {
				continue
			}
			seen[loc] = true
			p.Location = append(p.Location, loc)
			loc.ID = uint64(len(p.Location))
			for _, line := range loc.Line {
				if f := line.Function; !functions[f] {
					functions[f] = true
					p.Function = append(p.Function, f)
					f.ID = uint64(len(p.Function))
				}
			}
		}
	}
	return p
}
