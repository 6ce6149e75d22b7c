package feed

import (
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

const (
	mediaText   = "text/plain; charset=utf-8"
	mediaJSON   = "application/json"
	mediaNDJSON = "application/x-ndjson"
	mediaGzip   = "application/gzip"
)

// sensorFormats are those that sensors, scanners, SIEMs and MISP read.
func sensorFormats() []Format {
	return slices.Concat(suricataFormats(), []Format{zeekFormat(), mispFormat()}, scannerFormats(), siemFormats())
}

func networkTypes() []stix.Type {
	return []stix.Type{stix.IPv4Addr, stix.IPv6Addr, stix.DomainName, stix.URL}
}

// digestTypes are the hashes that sensors and scanners compute.
func digestTypes() []stix.Type { return []stix.Type{stix.MD5, stix.SHA1, stix.SHA256} }

func listedTypes() []stix.Type {
	return slices.Concat(networkTypes(), digestTypes(), []stix.Type{stix.SHA512})
}
