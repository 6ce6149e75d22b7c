package feed

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A gatewayReader reads the files of a format as the tools do that it is for,
// only stricter, and returns the values in them. What is in two files of a format
// must be the same in both.
type gatewayReader func(files map[string]string) ([]string, error)

func gatewayReaders() map[string]gatewayReader {
	return map[string]gatewayReader{
		"csv":        readTable("value,type,score,tlp,tier,first_seen,expires", "value"),
		"checkpoint": readCheckPoint,
		"splunk":     readSplunk,
		"defender":   readDefender,
		"panos":      readLines(plainLine),
		"cisco":      readLines(plainLine),
		"nftables":   readNftables,
		"ipset":      readIPSet,
		"hosts":      readLines(hostsLine),
		"adblock":    readLines(adblockLine),
		"dnsmasq":    readLines(dnsmasqLine),
		"rpz":        readRPZ,
		"haproxy":    readHAProxy,
		"nginx":      readNginx,
		"squid":      readSquid,
		"postfix":    readLines(func(line string) (string, error) { return between(line, "", " REJECT") }),
		"rsyslog":    readRsyslog,
		"wazuh":      readWazuh,
	}
}

// readLines reads every line of every file, in the order of the files' names.
func readLines(value func(line string) (string, error)) gatewayReader {
	return func(files map[string]string) (values []string, err error) {
		for _, text := range files {
			if text != "" && !strings.HasSuffix(text, "\n") {
				return nil, fmt.Errorf("no end of the last line: %q", text)
			}
			for line := range strings.Lines(text) {
				v, err := value(strings.TrimSuffix(line, "\n"))
				if err != nil {
					return nil, err
				}
				values = append(values, v)
			}
		}
		return values, nil
	}
}

// fromFile reads one file of several.
func fromFile(name string, files map[string]string, value func(string) (string, error)) ([]string, error) {
	return readLines(value)(map[string]string{name: files[name]})
}

func plainLine(line string) (string, error) {
	if line == "" || strings.ContainsAny(line, " \t\r") {
		return "", fmt.Errorf("not one value: %q", line)
	}
	return line, nil
}

func between(line, before, after string) (string, error) {
	v, ok := strings.CutPrefix(line, before)
	v, done := strings.CutSuffix(v, after)
	if !ok || !done {
		return "", fmt.Errorf("not between %q and %q: %q", before, after, line)
	}
	return plainLine(v)
}

func readTable(head, column string) gatewayReader {
	return func(files map[string]string) (values []string, err error) {
		for _, text := range files {
			rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
			if err != nil {
				return nil, err
			}
			if len(rows) == 0 || strings.Join(rows[0], ",") != head {
				return nil, fmt.Errorf("not the head: %q", rows)
			}
			for _, row := range rows[1:] {
				v := row[slices.Index(rows[0], column)]
				if strings.IndexByte("=+-@", v[0]) >= 0 && strings.Trim(v, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
					return nil, fmt.Errorf("a spreadsheet computes %q", v)
				}
				values = append(values, v)
			}
		}
		return values, nil
	}
}

func readCheckPoint(files map[string]string) ([]string, error) {
	head := "# UNIQ-NAME,VALUE,TYPE,CONFIDENCE,SEVERITY,PRODUCT,COMMENT"
	rows, err := csv.NewReader(strings.NewReader(files[""])).ReadAll()
	if err != nil || len(rows) == 0 || strings.Join(rows[0], ",") != head {
		return nil, fmt.Errorf("not the head: %q, %v", rows, err)
	}
	seen, values := map[string]bool{}, []string(nil)
	for _, row := range rows[1:] {
		if slices.Contains(row, "") || seen[row[0]] {
			return nil, fmt.Errorf("an empty field, or a name used twice: %q", row)
		}
		seen[row[0]] = true
		if first, last, ok := strings.Cut(row[1], "-"); ok && row[2] == "IP Range" {
			row[1] = blockOf(netip.MustParseAddr(first), netip.MustParseAddr(last)).String()
		}
		values = append(values, row[1])
	}
	return values, nil
}

// blockOf is the block from its first to its last address.
func blockOf(first, last netip.Addr) netip.Prefix {
	for bits := range first.BitLen() {
		p := netip.PrefixFrom(first, bits)
		if p.Masked().Addr() == first && p.Contains(last) && !p.Contains(last.Next()) {
			return p
		}
	}
	return netip.Prefix{}
}

func readSplunk(files map[string]string) (values []string, err error) {
	for name, t := range map[string]gatewayReader{
		"ip_intel.csv":     readTable("description,ip,weight", "ip"),
		"domain_intel.csv": readTable("description,domain,weight", "domain"),
		"file_intel.csv":   readTable("description,file_hash,file_name,weight", "file_hash"),
		"http_intel.csv":   readTable("description,http_referrer,http_user_agent,url,weight", "url"),
		"email_intel.csv":  readTable("description,src_user,subject,weight", "src_user"),
	} {
		some, err := t(map[string]string{name: files[name]})
		if err != nil {
			return nil, err
		}
		values = append(values, some...)
	}
	return values, nil
}

func readDefender(files map[string]string) ([]string, error) {
	return readTable("indicatorType,indicatorValue,action,title,description,expirationTime,severity", "indicatorValue")(files)
}

func readRsyslog(files map[string]string) (values []string, err error) {
	var table struct {
		Version       int
		NoMatch, Type string
		Table         []struct{ Index, Value string }
	}
	if err := json.Unmarshal([]byte(files[""]), &table); err != nil || table.Version != 1 || table.Type != "string" {
		return nil, fmt.Errorf("not a table: %v", err)
	}
	for _, row := range table.Table {
		values = append(values, row.Index)
	}
	return values, nil
}

func readWazuh(files map[string]string) ([]string, error) {
	return joined(
		func() ([]string, error) {
			return fromFile("addresses", files, func(line string) (string, error) {
				key, err := cdbKey(line)
				if octets, isBlock := strings.CutSuffix(key, "."); isBlock {
					n := strings.Count(key, ".")
					key = octets + strings.Repeat(".0", 4-n) + "/" + strconv.Itoa(8*n)
				}
				return key, err
			})
		},
		func() ([]string, error) { return fromFile("names", files, cdbKey) },
		func() ([]string, error) { return fromFile("urls", files, cdbKey) },
		func() ([]string, error) { return fromFile("hashes", files, cdbKey) })
}

func cdbKey(line string) (string, error) {
	key, score, ok := strings.Cut(line, ":")
	if quoted, isQuoted := strings.CutPrefix(line, `"`); isQuoted {
		key, score, ok = strings.Cut(quoted, `":`)
	}
	if _, err := strconv.Atoi(score); err != nil || !ok {
		return "", fmt.Errorf("not a key and a score: %q", line)
	}
	return plainLine(key)
}
