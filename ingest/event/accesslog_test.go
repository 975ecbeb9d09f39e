package event

import "testing"

func TestAccessLog(t *testing.T) {
	const when = "[01/Aug/1995:04:00:01 +0000]"
	const stamp = `time="01/Aug/1995:04:00:01 +0000"`
	runDecodeCases(t, Options{Format: FormatAccessLog, Time: "time"}, []decodeCase{
		{"nothing", "\n\r\n", nil, nil},
		{"common", `in24.inetnebr.com - - ` + when + ` "GET /shuttle/sts-68.txt HTTP/1.0" 200 1839`,
			[]string{`host="in24.inetnebr.com" ` + stamp + ` method="GET" path="/shuttle/sts-68.txt" protocol="HTTP/1.0" status=200 bytes=1839`}, nil},
		{"combined", `::1 id frank ` + when + ` "POST /a?b=c&d=%20?e HTTP/1.1" 304 - "http://x/y" "Mozilla/5.0 (X11)"` + "\r\n",
			[]string{`host="::1" user="frank" ` + stamp + ` method="POST" path="/a" query="b=c&d=%20?e" protocol="HTTP/1.1" status=304 referer="http://x/y" agent="Mozilla/5.0 (X11)"`}, nil},
		{"dashes", `- - - ` + when + ` "-" - - "-" "-"`, []string{stamp}, nil},
		{"HTTP 0.9", `h - - ` + when + ` "GET /x" 200 5`, []string{`host="h" ` + stamp + ` method="GET" path="/x" status=200 bytes=5`}, nil},
		{"empty query", `h - - ` + when + ` "GET /x? HTTP/1.0" 200 5`, []string{`host="h" ` + stamp + ` method="GET" path="/x" query="" protocol="HTTP/1.0" status=200 bytes=5`}, nil},
		{"user with spaces", `h - John Doe ` + when + ` "GET / HTTP/1.0" 200 5`, []string{`host="h" user="John Doe" ` + stamp + ` method="GET" path="/" protocol="HTTP/1.0" status=200 bytes=5`}, nil},
		{"escapes", `h - - ` + when + ` "GET /a\"b\\c\x41 HTTP/1.0" 200 5 "\t" "say \"hi\"\q"`,
			[]string{`host="h" ` + stamp + ` method="GET" path="/a\"b\\cA" protocol="HTTP/1.0" status=200 bytes=5 referer="\t" agent="say \"hi\"\\q"`}, nil},
		{"bytes that are no UTF-8", "h - - " + when + " \"GET /\xff\\xfe HTTP/1.0\" 200 5 \"\xc3\" \"-\"",
			[]string{`host="h" ` + stamp + " method=\"GET\" path=\"/\ufffd\" protocol=\"HTTP/1.0\" status=200 bytes=5 referer=\"\ufffd\""}, nil},
	})
	line := func(request string) string { return `h - - ` + when + ` "` + request + `" 200 5` + "\n" }
	for _, request := range []string{"", "GET", "GET ", " /x HTTP/1.0", "GET  HTTP/1.0", "GET HTTP/1.0", "GET /a b HTTP/1.0", "GET /a b", "GET /a HTTP/1.0 x", `\x16\x03\x01`, "G(T / HTTP/1.0", "GET /a FTP/1.0"} {
		_, result := decodeAll(t, Options{Format: FormatAccessLog, Skip: true}, line("GET / HTTP/1.0")+line(request))
		checkFaults(t, result, []string{"1:2: malformed request line"})
	}
	for fault, text := range map[string]string{
		"the host":                  "h",
		"second word":               "h -",
		"no user":                   "h - -",
		"bracket of [time]":         "h - - [01/Aug/1995:04:00:01 +0000 \"GET / HTTP/1.0\" 200 5",
		"not the time of":           "h - - [01/Avg/1995:04:00:01 +0000] \"GET / HTTP/1.0\" 200 5",
		"[time] should":             "h - - " + when + "\"GET / HTTP/1.0\" 200 5",
		"part in quotes":            "h - - " + when + " GET / HTTP/1.0 200 5",
		"quote is not closed":       "h - - " + when + " \"GET / HTTP/1.0 200 5",
		"the request line should":   "h - - " + when + " \"GET / HTTP/1.0\"200 5",
		"neither a status nor -":    "h - - " + when + " \"GET / HTTP/1.0\" 2000 5",
		"\"2x0\" is neither":        "h - - " + when + " \"GET / HTTP/1.0\" 2x0 5",
		"the status should":         "h - - " + when + " \"GET / HTTP/1.0\" 200",
		"neither a bytes nor -":     "h - - " + when + " \"GET / HTTP/1.0\" 200 -5",
		"the referer should":        "h - - " + when + " \"GET / HTTP/1.0\" 200 5 \"-\"",
		"\" more\" after the agent": "h - - " + when + " \"GET / HTTP/1.0\" 200 5 \"-\" \"-\" more",
	} {
		_, result := decodeAll(t, Options{Format: FormatAccessLog, Skip: true}, text)
		checkFaults(t, result, []string{"0:1: " + fault})
	}
}

func FuzzAccessLog(f *testing.F) {
	f.Add([]byte("h - - [01/Aug/1995:04:00:01 +0000] \"GET /a?b HTTP/1.0\" 200 1839\nh - u [01/Aug/1995:04:00:01 +0000] \"GET /\\x41\\\"\" - - \"r\" \"\xff\""))
	f.Fuzz(func(t *testing.T, body []byte) { checkDecoded(t, FormatAccessLog, body) })
}
