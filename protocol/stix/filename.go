package stix

import "strings"

// checkNotFile refuses a bare name that is rather a file than a host.
func checkNotFile(s string) error {
	dot := strings.LastIndexByte(s, '.')
	if dot < 0 {
		return nil
	}
	if fileExtensions[strings.ToLower(s[dot+1:])] {
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

// fileExtensions are extensions that are no top-level domain. It is never
// changed.
var fileExtensions = extensions(`
	exe dll sys scr ocx cpl drv msi msp bat cmd vbs vbe js jse wsf wsh hta lnk pif chm hlp inf reg url library-ms elf ko
	bin dat dmp tmp log bak old cfg conf config ini db mdb sqlite evtx pcap pcapng eml msg pst ost torrent
	doc docx docm dotx dotm xls xlsx xlsm xlsb xlam xll ppt pptx pptm ppsx rtf odt ods odp pdf iqy slk txt csv tsv
	xml json yml yaml toml html htm mht shtml xhtml css scss php phtml asp aspx ashx asmx jsp jspx cgi cfm
	rar gz tgz tar xz ace arj iso img vhd vhdx dmg pkg deb rpm apk ipa jar war class dex dylib
	png jpg jpeg gif bmp ico svg tif tiff webp wav avi wmv flv swf mkv psd
	cpp hpp cxx vb bas pyc pyd rb lua pem crt cer pfx csr yar yara rules ioc suo sln vcxproj csproj plist sct wll
`)

func extensions(words string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		set[w] = true
	}
	return set
}
