package feed

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// engineClient follows nothing and keeps no connection.
func engineClient(proxy func(*http.Request) (*url.URL, error)) *http.Client {
	return &http.Client{
		Timeout:       engineWithin,
		Transport:     &http.Transport{DisableKeepAlives: true, Proxy: proxy},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// An engine is loaded with documents in turn and asked what it makes of values.
type engine struct {
	load  func(t *testing.T, d *Document) *running // starts it, or makes it read its files again; nil: it runs when it is asked
	ask   func(t *testing.T, v string) bool
	lacks func(v string) bool // nil: it has all that is listed
}

// check holds an engine to the verdicts: with all, after some was taken back, and
// with nothing left.
func (e *engine) check(t *testing.T, addresses ...bool) {
	t.Helper()
	told := [][2]string{{"evil.example", "203.0.113.7"}, {"evil.example", "203.0.113.7"}, {"60.example", "2001:db8::7"}} // by which it is seen that a step was taken
	for step, d := range engineDocuments(t) {
		r := e.load(t, d)
		for _, address := range addresses {
			if value := told[step][0]; r != nil { // some load while they answer
				if address {
					value = told[step][1]
				}
				r.eventually(t, value+" is another", func() bool { return e.ask(t, value) == (step == 0) })
			}
			for _, v := range engineVerdicts(t, address) {
				if want := v.at(step) && (e.lacks == nil || !e.lacks(v.value)); e.ask(t, v.value) != want {
					t.Errorf("%s: not %v at step %d", v.value, want, step)
				}
			}
		}
	}
}

const haproxyConf = `
defaults
	mode http
	timeout connect 5s
	timeout client 5s
	timeout server 5s
frontend door
	bind 127.0.0.1:PORT
	acl listed req.hdr_ip(X-Forwarded-For) -f DIR/addresses.acl
	acl listed req.hdr(host),host_only -m str -i -f DIR/names.acl
	acl listed req.hdr(host),host_only -m end -i -f DIR/under.acl
	http-request return status 403 hdr X-Score %[req.hdr_ip(X-Forwarded-For),map_ip(DIR/addresses.map,0)] if listed
	http-request return status 200
`

func TestHAProxy(t *testing.T) {
	haproxy, client := program(t, "haproxy"), engineClient(nil)
	var port string
	e := engine{ask: func(t *testing.T, v string) bool {
		host, from := v, "192.0.2.9"
		if strings.IndexByte(v, ':') >= 0 || strings.Trim(v, "0123456789.") == "" {
			host, from = "good.example", v
		}
		code, header := ask(t, client, "http://127.0.0.1:"+port+"/", host, "X-Forwarded-For", from)
		if scored := header.Get("X-Score"); from == "203.0.113.7" && code == 403 && scored != "94" {
			t.Errorf("the score of %s is %q", from, scored)
		}
		return code == 403
	}}
	e.load = func(t *testing.T, d *Document) *running {
		dir := engineDir(t)
		port = freePort(t)
		writeFormat(t, dir, "haproxy", d)
		conf := writeFile(t, dir, "haproxy.cfg", strings.NewReplacer("PORT", port, "DIR", dir).Replace(haproxyConf))
		run(t, haproxy, "-c", "-f", conf)
		r := background(t, haproxy, "-db", "-f", conf)
		r.eventually(t, "it answers", func() bool {
			code, _ := ask(t, client, "http://127.0.0.1:"+port+"/", "good.example")
			return code == 200
		})
		return r
	}
	e.check(t, true, false)
}

const nginxConf = `
daemon off;
master_process off;
pid DIR/pid;
error_log stderr;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	map_hash_bucket_size 512;
	server_names_hash_bucket_size 512;
	map $host $name { hostnames; include DIR/hostnames.map; }
	geo $arg_a $address { include DIR/geo.conf; }
	server {
		listen 127.0.0.1:PORT;
		root DIR/root;
		set_real_ip_from 127.0.0.1;
		real_ip_header X-Real-IP;
		location /map { return 200 "$name$address"; add_header X-Listed "$name$address"; }
		location /deny { include DIR/deny.conf; try_files /index =404; }
	}
}
`

func TestNginx(t *testing.T) {
	nginx, client := program(t, "nginx"), engineClient(nil)
	var at string
	e := engine{ask: func(t *testing.T, v string) bool {
		if strings.IndexByte(v, ':') < 0 && strings.Trim(v, "0123456789.") != "" {
			_, header := ask(t, client, at+"/map", v)
			return header.Get("X-Listed") == "1"
		}
		_, header := ask(t, client, at+"/map?a="+v, "good.example")
		code, _ := ask(t, client, at+"/deny", "good.example", "X-Real-IP", v)
		if mapped := header.Get("X-Listed") == "1"; mapped != (code == 403) {
			t.Errorf("%s: by geo %v, by deny status %d", v, mapped, code)
		}
		return code == 403
	}}
	e.load = func(t *testing.T, d *Document) *running {
		dir, port := engineDir(t), freePort(t)
		at = "http://127.0.0.1:" + port
		writeFormat(t, dir, "nginx", d)
		if err := os.Mkdir(filepath.Join(dir, "root"), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "root"), "index", "here\n")
		conf := writeFile(t, dir, "nginx.conf", strings.NewReplacer("PORT", port, "DIR", dir).Replace(nginxConf))
		run(t, nginx, "-t", "-p", dir, "-c", conf)
		r := background(t, nginx, "-p", dir, "-c", conf)
		r.eventually(t, "it answers", func() bool {
			code, _ := ask(t, client, at+"/deny", "good.example")
			return code == 200
		})
		return r
	}
	e.check(t, true, false)
}

// What is listed is sent to one place and all else to another, so that nothing is
// ever fetched.
const squidConf = `
http_port 127.0.0.1:PORT
visible_hostname proxy.example
pid_filename DIR/squid.pid
cache_log DIR/cache.log
access_log none
cache deny all
coredump_dir DIR
shutdown_lifetime 0 seconds
max_filedescriptors 256
acl listed_name dstdomain -n "DIR/dstdomain.acl"
acl listed_under dstdom_regex -n "DIR/dstdom_regex.acl"
acl listed_url url_regex "DIR/url_regex.acl"
acl listed_address dst -n "DIR/dst.acl"
acl rest src all
deny_info 302:http://free.example/ rest
deny_info 302:http://listed.example/ listed_name
http_access deny listed_name
deny_info 302:http://listed.example/ listed_under
http_access deny listed_under
deny_info 302:http://listed.example/ listed_url
http_access deny listed_url
deny_info 302:http://listed.example/ listed_address
http_access deny listed_address
http_access deny rest
`

// newSquid returns what makes a proxy load a document, and what tells whether a
// URL is listed.
func newSquid(t *testing.T) (load func(*testing.T, *Document) *running, listed func(u string) bool) {
	squid := program(t, "squid")
	dir, port := engineDir(t), freePort(t)
	name := "tocsin" + port
	conf := strings.NewReplacer("PORT", port, "DIR", dir).Replace(squidConf)
	if os.Geteuid() == 0 {
		conf += "cache_effective_user proxy\n"
	}
	path := writeFile(t, dir, "squid.conf", conf)
	t.Cleanup(func() {
		left, _ := filepath.Glob("/dev/shm/" + name + "-*")
		for _, file := range left {
			os.Remove(file)
		}
	})
	var proxy *running
	load = func(t *testing.T, d *Document) *running {
		writeFormat(t, dir, "squid", d)
		run(t, squid, "-k", "parse", "-n", name, "-f", path)
		if proxy == nil {
			proxy = background(t, squid, "-N", "-n", name, "-f", path)
		} else {
			run(t, squid, "-k", "reconfigure", "-n", name, "-f", path)
		}
		return proxy
	}
	client := engineClient(http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:" + port}))
	listed = func(u string) (is bool) {
		proxy.eventually(t, "it answers", func() bool { // not while it reads its files again
			code, header := ask(t, client, u, "")
			is = header.Get("Location") == "http://listed.example/"
			return code == http.StatusFound
		})
		return is
	}
	return load, listed
}

func TestSquid(t *testing.T) {
	load, listed := newSquid(t)
	e := engine{load: load, ask: func(t *testing.T, v string) bool {
		if strings.IndexByte(v, ':') >= 0 {
			v = "[" + v + "]"
		}
		return listed("http://" + v + "/there")
	}}
	e.check(t, true, false)
}

// A URL is listed and its host is not, nor is any other URL.
func TestSquidURLs(t *testing.T) {
	load, listed := newSquid(t)
	urls := ""
	for line := range strings.Lines(gatewaySample) {
		if strings.HasPrefix(line, "url ") {
			urls += line
		}
	}
	load(t, documentOf(t, urls))
	for u, want := range map[string]bool{
		"http://evil.example/":                     true,
		"http://evil.example/b":                    false,
		`http://evil.example/a?b=1,2&c="d"`:        true,
		`http://evil.example/a?b=1,2&c="d"e`:       false,
		"http://evil.example/A?b=1,2&c=d":          false,
		"http://[2001:db8::7]:8080/x":              true,
		"http://[2001:db8::8]:8080/x":              false,
		"http://[2001:db8::7]:8080/xx":             false,
		"http://good.example/http://evil.example/": false,
		"http://bare.example/a":                    false, // without a scheme it was left out
	} {
		if got := listed(u); got != want {
			t.Errorf("%s: %v", u, got)
		}
	}
}

func TestPostfix(t *testing.T) {
	postmap := program(t, "postmap")
	dir := engineDir(t)
	writeFile(t, dir, "main.cf", "compatibility_level = 3.6\n")
	e := engine{load: func(t *testing.T, d *Document) *running { writeFormat(t, dir, "postfix", d); return nil }}
	lookup := func(table, key string) bool {
		out, err := exec.Command(postmap, "-c", dir, "-q", key, table).CombinedOutput()
		switch answer := strings.TrimSpace(string(out)); {
		case err == nil && answer == "REJECT":
			return true
		case answer != "":
			t.Errorf("%s in %s: %v %s", key, table, err, answer)
		}
		return false
	}
	e.ask = func(t *testing.T, v string) bool { return lookup("cidr:"+dir+"/client.cidr", v) }
	e.check(t, true)
	writeFormat(t, dir, "postfix", engineDocuments(t)[0])
	for sender, listed := range map[string]bool{"sender@evil.example": true, "+x@evil.example": true, "x@evil.example": false, "evil.example": false} {
		if lookup("texthash:"+dir+"/sender.access", sender) != listed {
			t.Errorf("%s: not %v", sender, listed)
		}
	}
}
