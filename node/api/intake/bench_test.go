package intake

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkMaltrail reads the load-test list; the figure is lines/s on one
// core, Detect and drafts included.
func BenchmarkMaltrail(b *testing.B) {
	file, err := os.Open(filepath.Join(realData(b), "large", "maltrail-mixed.txt.gz"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		b.Fatal(err)
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	lines := 0
	for b.Loop() {
		_, rows := Read(b.Context(), bytes.NewReader(data), green())
		for _, err := range rows {
			if err != nil {
				b.Fatal(err)
			}
			lines++
		}
	}
	b.ReportMetric(float64(lines)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkBundle reads the largest STIX 2.0 bundle.
func BenchmarkBundle(b *testing.B) {
	data, err := os.ReadFile(filepath.Join(realData(b), "stix20", "u42__stix2-reports__report_json__IcedID_Malware.json"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	objects := 0
	for b.Loop() {
		_, rows := Read(b.Context(), bytes.NewReader(data), green())
		for _, err := range rows {
			if err != nil {
				b.Fatal(err)
			}
			objects++
		}
	}
	b.ReportMetric(float64(objects)/b.Elapsed().Seconds(), "objects/s")
}
