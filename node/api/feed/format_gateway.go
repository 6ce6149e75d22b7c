package feed

import "slices"

// gatewayFormats are those that firewalls, resolvers, proxies, mail servers and
// tables of other products read.
func gatewayFormats() []Format {
	return slices.Concat(tableFormats(), productFormats(), firewallFormats(), resolverFormats(), proxyFormats(), lookupFormats())
}
