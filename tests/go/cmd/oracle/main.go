// Oracle answers questions about pprof profiles with google/pprof's own code, for tests that compare
// profpipe's answers with them, and for a benchmark of its parser.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/pprof/profile"

	"profpipe.test/oracle/internal/compare"
	"profpipe.test/oracle/internal/sums"
)

const usage = `usage:
  oracle sums [-merge] FILE...         sums per function, one JSON object a line
  oracle equal [-n N] [-reachable] [-fold] A B
                                       whether two profiles say the same
  oracle equal [flags] -list FILE      the same for each line "A<TAB>B" of FILE
  oracle parse [-reps N] FILE...       CPU time that parsing all the files takes, as JSON
`

func main() {
	if len(os.Args) < 2 {
		fatalUsage()
	}
	switch args := os.Args[2:]; os.Args[1] {
	case "sums":
		os.Exit(runSums(args))
	case "equal":
		os.Exit(runEqual(args))
	case "parse":
		os.Exit(runParse(args))
	default:
		fatalUsage()
	}
}

func fatalUsage() {
	fmt.Fprint(os.Stderr, usage)
	os.Exit(2)
}

// flags returns a flag set that prints the usage of all commands.
func flags() *flag.FlagSet {
	set := flag.NewFlagSet("oracle", flag.ExitOnError)
	set.Usage = fatalUsage
	return set
}

func readProfile(file string) (*profile.Profile, []byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	p, err := profile.ParseData(data)
	return p, data, err
}

// runSums prints the sums of every file; a file that cannot be parsed is an answer, not a failure.
func runSums(args []string) int {
	set := flags()
	merge := set.Bool("merge", false, "")
	set.Parse(args)
	if set.NArg() == 0 {
		fatalUsage()
	}
	stdout := bufio.NewWriter(os.Stdout)
	defer stdout.Flush()
	out := json.NewEncoder(stdout)
	out.SetEscapeHTML(false)
	if *merge {
		out.Encode(mergedSums(set.Args()))
		return 0
	}
	for _, file := range set.Args() {
		p, data, err := readProfile(file)
		if err != nil {
			out.Encode(sums.Failed(file, err))
			continue
		}
		s := sums.Of(file, p)
		s.Legacy = sums.IsLegacy(data)
		out.Encode(s)
	}
	return 0
}

func mergedSums(files []string) *sums.Profile {
	var all []*profile.Profile
	for _, file := range files {
		p, _, err := readProfile(file)
		if err != nil {
			return sums.Failed("merged", fmt.Errorf("%s: %w", file, err))
		}
		all = append(all, p)
	}
	p, err := profile.Merge(all)
	if err != nil {
		return sums.Failed("merged", err)
	}
	return sums.Of("merged", p)
}

// runEqual compares one or more pairs of files and returns 1 if any pair differs or cannot be parsed.
func runEqual(args []string) int {
	set := flags()
	list := set.String("list", "", "")
	max := set.Int("n", 5, "")
	var opt compare.Options
	set.BoolVar(&opt.Reachable, "reachable", false, "")
	set.BoolVar(&opt.Fold, "fold", false, "")
	set.Parse(args)

	var pairs [][2]string
	switch {
	case *list != "" && set.NArg() == 0:
		f, err := os.Open(*list)
		if err == nil {
			pairs, err = readPairs(f)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
	case *list == "" && set.NArg() == 2:
		pairs = [][2]string{{set.Arg(0), set.Arg(1)}}
	default:
		fatalUsage()
	}
	status := 0
	for _, pair := range pairs {
		diffs := diffFiles(pair[0], pair[1], opt)
		if len(diffs) == 0 {
			continue
		}
		status = 1
		fmt.Printf("%s and %s differ:\n", pair[0], pair[1])
		for i, d := range diffs {
			if i == *max {
				fmt.Printf("  and %d more\n", len(diffs)-i)
				break
			}
			fmt.Printf("  %s\n", d)
		}
	}
	return status
}

func diffFiles(a, b string, opt compare.Options) []string {
	pa, _, err := readProfile(a)
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", a, err)}
	}
	pb, _, err := readProfile(b)
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", b, err)}
	}
	return compare.Diff(pa, pb, opt)
}

func readPairs(r io.Reader) ([][2]string, error) {
	var pairs [][2]string
	for lines := bufio.NewScanner(r); ; {
		if !lines.Scan() {
			return pairs, lines.Err()
		}
		if lines.Text() == "" {
			continue
		}
		a, b, ok := strings.Cut(lines.Text(), "\t")
		if !ok {
			return nil, fmt.Errorf("line %q: want A<TAB>B", lines.Text())
		}
		pairs = append(pairs, [2]string{a, b})
	}
}
