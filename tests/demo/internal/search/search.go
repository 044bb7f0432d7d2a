// Package search finds items by the words of their descriptions.
package search

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"sort"
	"strings"
)

// Index maps each word to the items whose description holds it.
type Index struct {
	items    []string
	postings map[string][]int
}

// Hit is an item that was found.
type Hit struct {
	Item  int     `json:"item"`
	Text  string  `json:"text"`
	Score float64 `json:"score"`
}

// New indexes n made-up items.
func New(n int) *Index {
	colours := []string{"blue", "red", "green", "black"}
	stuffs := []string{"wool", "cotton", "silk", "linen", "hemp"}
	x := &Index{postings: make(map[string][]int)}
	for i := range n {
		text := fmt.Sprintf("Item %d: a %s %s jumper, number %d", i%50, colours[i%4], stuffs[i%5], i)
		x.items = append(x.items, text)
		for _, word := range words(text) {
			x.postings[word] = append(x.postings[word], i)
		}
	}
	return x
}

// Query answers GET /search?q=WORDS.
func (x *Index) Query(w http.ResponseWriter, r *http.Request) {
	hits := x.rank(words(r.FormValue("q")))
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(hits[:min(50, len(hits))])
}

// rank scores the items by their words, rare ones most, best first.
func (x *Index) rank(query []string) []Hit {
	scores := make(map[int]float64)
	for _, word := range query {
		found := x.postings[word]
		for _, item := range found {
			scores[item] += math.Log(float64(len(x.items)) / float64(len(found)))
		}
	}
	hits := make([]Hit, 0, len(scores))
	for item, score := range scores {
		hits = append(hits, Hit{Item: item, Text: x.items[item], Score: score})
	}
	sort.Slice(hits, func(i, j int) bool { return hits[i].Score > hits[j].Score })
	return hits
}

func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return strings.ContainsRune(" ,:", r) })
}
