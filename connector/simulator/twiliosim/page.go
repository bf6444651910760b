package twiliosim

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"flexbrevo/connector/simulator/world"
)

// page is what a list request asks for.
type page struct {
	size   int
	number int    // as the client counts; it means nothing to the server
	after  string // SID of the last item of the page before; "" for the first page
}

// defaultPageSize holds for every list that the simulator serves.
const defaultPageSize = 50

// readPage reads PageSize, Page and PageToken. TaskRouter has refused page numbers without a token since
// December 2021; facts/twilio.md 1.2.
func (s *Server) readPage(q *request, largest int) (page, error) {
	p := page{size: defaultPageSize}
	if text := q.param("PageSize"); text != "" {
		size, err := strconv.Atoi(text)
		if err != nil || size < 0 || size > largest && s.options.StrictPages {
			return p, badRequest(20001, "Page size must be between 1 and %d", largest)
		}
		// A page size of 0 still gives one record, as facts/twilio.md 11.4 saw.
		p.size = min(max(size, 1), largest)
	}
	if text := q.param("Page"); text != "" {
		number, err := strconv.Atoi(text)
		if err != nil || number < 0 {
			return p, badRequest(20001, "Invalid Page %q", text)
		}
		p.number = number
	}
	token := q.param("PageToken")
	if token == "" {
		if p.number > 0 && api(q.URL.Path) == "taskrouter" {
			return p, badRequest(40153, "Absolute paging is not supported, use the next_page_url instead")
		}
		p.number = 0
		return p, nil
	}
	sid, ok := strings.CutPrefix(token, "PA")
	if !ok {
		return p, invalidToken()
	}
	p.after = sid
	return p, nil
}

func invalidToken() error { return badRequest(21481, "Invalid PageToken") }

// envelope puts rows into the form of every list; last is the SID of the last row, and more tells
// whether others follow it. There is no way back: previous_page_url is always null.
func envelope(q *request, key string, p page, rows any, last string, more bool) world.Fields {
	var next any
	if more {
		next = q.pageURL(p.size, p.number+1, "PA"+last)
	}
	token := ""
	if p.after != "" {
		token = "PA" + p.after
	}
	return object("meta", object(
		"page", p.number, "page_size", p.size, "first_page_url", q.pageURL(p.size, 0, ""), "previous_page_url", nil,
		"url", q.pageURL(p.size, p.number, token), "next_page_url", next, "key", key,
	), key, rows)
}

// pageURL is the address of a page on twilio.com, with the filters of the request.
func (q *request) pageURL(size, number int, token string) string {
	values := url.Values{}
	for name, value := range q.query {
		values[name] = value
	}
	values.Set("PageSize", strconv.Itoa(size))
	values.Set("Page", strconv.Itoa(number))
	values.Del("PageToken")
	if token != "" {
		values.Set("PageToken", token)
	}
	return address(q.URL.Path) + "?" + values.Encode()
}

// row is an item of a short list: its SID and how to show it.
type row struct {
	sid  string
	show func() world.Fields
}

// list serves a list that is at hand as a whole, in the order given.
func (s *Server) list(q *request, key string, largest int, rows []row) (world.Fields, error) {
	p, err := s.readPage(q, largest)
	if err != nil {
		return nil, err
	}
	from := 0
	if p.after != "" {
		// A token names an item; with the item the token is gone.
		if from = slices.IndexFunc(rows, func(r row) bool { return r.sid == p.after }) + 1; from == 0 {
			return nil, invalidToken()
		}
	}
	to := min(from+p.size, len(rows))
	shown := make([]any, 0, to-from)
	last := ""
	for _, r := range rows[from:to] {
		shown = append(shown, r.show())
		last = r.sid
	}
	return envelope(q, key, p, shown, last, to < len(rows)), nil
}

// shuffle puts rows into an order that means nothing, the same each time: the order of most lists is not
// documented.
func (s *Server) shuffle(rows []row) []row {
	weights := make(map[string]uint64, len(rows))
	for _, r := range rows {
		weight := s.options.Seed
		for i := range len(r.sid) {
			weight = weight*1099511628211 ^ uint64(r.sid[i])
		}
		weights[r.sid] = scatter(weight, 1)
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(weights[a.sid], weights[b.sid]) })
	return rows
}
