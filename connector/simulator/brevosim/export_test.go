package brevosim

// EndpointNames lists every endpoint as "METHOD /path/{template}".
func EndpointNames() []string {
	var names []string
	for _, e := range endpoints() {
		names = append(names, e.method+" "+e.path)
	}
	return names
}
