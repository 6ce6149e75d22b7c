package stix

import "strings"

// checkNotFile refuses a bare name that is rather a file than a host.
func checkNotFile(s string) error {
	dot := strings.LastIndexByte(s, '.')
	if dot < 0 {
		return nil
	}
	if isFileExtension(strings.ToLower(s[dot+1:])) {
		return notObservable("file name")
	}
	return nil
}

// fileOrDomain refuses names of two labels under a top-level domain that is
// better known as the end of file names.
func fileOrDomain(s string) error {
	name, tld, _ := strings.Cut(s, ".")
	switch tld {
	case "zip", "mov", "py":
		return ErrAmbiguous
	case "so":
		if strings.HasPrefix(name, "lib") {
			return ErrAmbiguous
		}
	}
	return nil
}

// isFileExtension knows extensions that are no top-level domain.
func isFileExtension(ext string) bool {
	switch ext {
	case "exe", "dll", "sys", "scr", "ocx", "cpl", "drv", "msi", "msp", "cab", "bat", "cmd", "vbs", "vbe", "jse", "js", "wsf", "wsh", "hta", "psm", "psd",
		"lnk", "pif", "chm", "hlp", "inf", "reg", "url", "library-ms", "elf", "bin", "dat", "dmp", "tmp", "log", "bak", "old", "cfg", "conf", "ini", "config",
		"doc", "docx", "docm", "dot", "dotx", "dotm", "xls", "xlsx", "xlsm", "xlsb", "xlam", "xll", "ppt", "pptx", "pptm", "ppsx", "rtf", "odt", "ods", "odp", "pdf", "one", "pub",
		"txt", "csv", "tsv", "xml", "json", "yml", "yaml", "toml", "html", "htm", "mht", "shtml", "xhtml", "css", "scss", "php", "phtml", "asp", "aspx", "ashx", "asmx", "jsp", "jspx", "cgi", "cfm",
		"rar", "gz", "tgz", "tar", "bz", "xz", "ace", "arj", "iso", "img", "vhd", "vhdx", "dmg", "pkg", "deb", "rpm", "apk", "ipa", "jar", "war", "class", "dex", "ko",
		"png", "jpg", "jpeg", "gif", "bmp", "ico", "svg", "tif", "tiff", "webp", "wav", "avi", "wmv", "flv", "swf", "mkv",
		"cpp", "hpp", "cxx", "vb", "bas", "pyc", "pyd", "rb", "lua", "pem", "crt", "cer", "pfx", "csr", "sqlite", "db", "mdb", "evtx", "pcap", "pcapng", "eml", "msg", "pst", "ost",
		"yar", "yara", "rules", "ioc", "suo", "sln", "vcxproj", "csproj", "plist", "dylib", "sct", "wll", "iqy", "slk", "torrent":
		return true
	}
	return false
}
