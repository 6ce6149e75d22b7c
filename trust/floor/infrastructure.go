package floor

// This file has the services that whole networks stand on. A name with a dot
// before it protects what is under it, up to the next public suffix.

// certificateStatus are the hosts asked whether a certificate was revoked, and
// the ones that issue new ones. Blocked, browsers hang and sites expire.
func certificateStatus() []string {
	return []string{
		".lencr.org", ".letsencrypt.org", ".pki.goog", ".amazontrust.com",
		"ocsp.digicert.com", "crl3.digicert.com", "crl4.digicert.com", "cacerts.digicert.com", "status.geotrust.com",
		"ocsp.sectigo.com", "crl.sectigo.com", "crt.sectigo.com", "ocsp.usertrust.com", "crl.usertrust.com", "ocsp.comodoca.com", "crl.comodoca.com",
		"ocsp.globalsign.com", "ocsp2.globalsign.com", "crl.globalsign.com", "secure.globalsign.com",
		"ocsp.entrust.net", "crl.entrust.net", "ocsp.godaddy.com", "crl.godaddy.com",
		"commercial.ocsp.identrust.com", "crl.identrust.com", "apps.identrust.com",
		"ocsp.apple.com", "crl.apple.com", "valid.apple.com", "oneocsp.microsoft.com", "mscrl.microsoft.com",
		"ocsps.ssl.com", "crls.ssl.com", "ocsp.certum.pl", "crl.certum.pl",
	}
}

// timeServers keep clocks right, on which Kerberos, TLS and logs depend.
func timeServers() []string {
	return []string{
		".pool.ntp.org", ".time.nist.gov", "time.windows.com", "time.apple.com", "time.google.com", "time.cloudflare.com",
		"time.facebook.com", "ntp.ubuntu.com", "ntp.se", "ptbtime1.ptb.de", "ptbtime2.ptb.de", "ptbtime3.ptb.de",
		"216.239.35.0/28", "2001:4860:4806::/48", // Google
		"162.159.200.1", "162.159.200.123", "2606:4700:f1::1", "2606:4700:f1::123", // Cloudflare
	}
}

// softwareUpdates are where systems and builds fetch fixes from: who cannot
// reach them is open to what the fixes close.
func softwareUpdates() []string {
	return []string{
		".windowsupdate.com", ".update.microsoft.com", ".delivery.mp.microsoft.com", "definitionupdates.microsoft.com",
		"swcdn.apple.com", "swscan.apple.com", "swdist.apple.com", "mesu.apple.com", "gdmf.apple.com",
		".gvt1.com", "dl.google.com", "update.googleapis.com",
		"archive.ubuntu.com", "security.ubuntu.com", "ports.ubuntu.com", "api.snapcraft.io", "deb.debian.org", "security.debian.org", "ftp.debian.org",
		"mirrors.fedoraproject.org", "dl.fedoraproject.org", "cdn.redhat.com", "subscription.rhsm.redhat.com", "updates.suse.com",
		"download.opensuse.org", "dl-cdn.alpinelinux.org", "geo.mirror.pkgbuild.com", "pkg.freebsd.org", "update.freebsd.org",
		"pypi.org", "files.pythonhosted.org", "registry.npmjs.org", "crates.io", "index.crates.io", "static.crates.io",
		"proxy.golang.org", "sum.golang.org", "rubygems.org", "repo.maven.apache.org", "repo1.maven.org", "registry-1.docker.io", "auth.docker.io",
		"aus5.mozilla.org", "download.mozilla.org", "addons.mozilla.org", "database.clamav.net", "cdn.fwupd.org",
	}
}

// sharedServices are the few that nearly every organisation works with daily.
// Pages on them may be evil and can be acted on by URL; the names never. Names
// under which strangers get hosts of their own are left out.
func sharedServices() []string {
	return []string{
		".google.com", ".gstatic.com", ".youtube.com", ".ytimg.com", ".googlevideo.com",
		"googleapis.com", "www.googleapis.com", "fonts.googleapis.com", "ajax.googleapis.com", "oauth2.googleapis.com", "storage.googleapis.com",
		".microsoft.com", ".microsoftonline.com", ".live.com", ".office.com", ".office365.com", ".outlook.com", ".office.net",
		".windows.com", ".login.windows.net", ".bing.com", ".skype.com", ".msftconnecttest.com", ".msftncsi.com", ".msocsp.com",
		".apple.com", ".icloud.com", ".mzstatic.com", ".aaplimg.com",
		".amazon.com", ".aws.amazon.com", ".amazonaws.com", ".cloudflare.com", ".akamai.com", ".fastly.com",
		".facebook.com", ".fbcdn.net", ".instagram.com", ".whatsapp.com", ".whatsapp.net", ".linkedin.com", ".x.com", ".twitter.com",
		".wikipedia.org", ".wikimedia.org", ".mozilla.org", ".firefox.com", ".github.com", "githubusercontent.com", "raw.githubusercontent.com",
		"github.io", ".gitlab.com", ".zoom.us", ".slack.com", ".adobe.com", ".yahoo.com",
	}
}

// sharedNetworks are where content networks and the services above answer: an
// address there is a thousand sites at once.
func sharedNetworks() []string {
	return []string{
		// Cloudflare
		"173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22", "141.101.64.0/18", "108.162.192.0/18", "190.93.240.0/20",
		"188.114.96.0/20", "197.234.240.0/22", "198.41.128.0/17", "162.158.0.0/15", "104.16.0.0/13", "104.24.0.0/14", "172.64.0.0/13", "131.0.72.0/22",
		"2400:cb00::/32", "2606:4700::/32", "2803:f800::/32", "2405:b500::/32", "2405:8100::/32", "2a06:98c0::/29", "2c0f:f248::/32",
		// Fastly
		"151.101.0.0/16", "199.232.0.0/16", "146.75.0.0/17", "23.235.32.0/20", "2a04:4e40::/32", "2a04:4e42::/32",
		// Google's front ends, not its rented machines
		"142.250.0.0/15", "172.217.0.0/16", "216.58.192.0/19", "74.125.0.0/16", "2607:f8b0::/32", "2a00:1450::/32",
		// Microsoft 365
		"13.107.6.0/24", "13.107.18.0/24", "13.107.128.0/22", "40.92.0.0/15", "40.96.0.0/13", "40.104.0.0/15", "40.107.0.0/16", "52.96.0.0/14", "52.100.0.0/14",
		"104.47.0.0/17", "2603:1006::/40", "2603:1016::/36", "2603:1026::/36", "2603:1036::/36",
		// Apple, GitHub, Meta, Wikimedia
		"17.0.0.0/8", "140.82.112.0/20", "192.30.252.0/22", "185.199.108.0/22", "157.240.0.0/16", "31.13.64.0/18",
		"208.80.152.0/22", "91.198.174.0/24", "2620:0:860::/46",
	}
}
