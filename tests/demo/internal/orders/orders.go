// Package orders takes orders and shows them.
package orders

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"demo/internal/pricing"
	"demo/internal/queue"
	"demo/internal/store"
)

// Orders has the handlers of the endpoints about orders.
type Orders struct {
	Store    *store.Store
	Prices   *pricing.Prices
	Receipts queue.Queue
}

// Create answers POST /orders.
func (o *Orders) Create(w http.ResponseWriter, r *http.Request) {
	order := new(store.Order)
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(order); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, item := range order.Items {
		order.Total += o.Prices.Of(item)
	}
	order.Created = time.Now()
	order.Note = strings.Repeat("thank you ", 50)
	o.Store.Put(order)
	o.Receipts.Enqueue(order)
	w.WriteHeader(http.StatusCreated)
	writeJSON(w, order)
}

// Get answers GET /orders/{id}.
func (o *Orders) Get(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	order := o.Store.Get(max(id, 0))
	if err != nil || order == nil {
		http.NotFound(w, r)
		return
	}
	writeJSON(w, order)
}

// Report answers GET /report: the best orders of all.
func (o *Orders) Report(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, o.Store.Best(500))
}

// writeJSON indents, in a second pass with a second buffer.
func writeJSON(w http.ResponseWriter, v any) {
	raw, err := json.Marshal(v)
	var pretty bytes.Buffer
	if err == nil {
		err = json.Indent(&pretty, raw, "", "  ")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(pretty.Bytes())
}
