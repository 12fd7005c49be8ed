package ses

import (
	"bytes"
	"html/template"
	"net/http"
	"strings"
)

// page lists the mails. Their HTML is shown in frames that may run no script; links open in a new tab.
var page = template.Must(template.New("mails").Funcs(template.FuncMap{"join": strings.Join}).Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mails ({{len .}})</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; color: #1f2328; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere; } h3 { font-size: .9rem; margin: 1rem 0 .25rem; }
article { border: 1px solid #d0d7de; border-radius: 6px; margin: 1rem 0; padding: 1rem; }
p { margin: 0; color: #57606a; overflow-wrap: anywhere; }
pre { background: #f6f8fa; padding: .75rem; white-space: pre-wrap; overflow-wrap: anywhere; }
iframe { border: 1px solid #d0d7de; box-sizing: border-box; width: 100%; height: 24rem; resize: vertical; background: #fff; }
</style>
</head>
<body>
<h1>Mails sent through SES</h1>
{{range .}}<article>
<h2>{{.Subject}}</h2>
<p>{{.At.UTC.Format "2 January 2006 15:04:05 UTC"}} · from {{.From}} · to {{join .To ", "}}</p>
{{if .HTML}}<h3>HTML</h3><iframe sandbox="allow-popups allow-popups-to-escape-sandbox" title="HTML of {{.Subject}}" srcdoc="<base target='_blank'>{{.HTML}}"></iframe>
{{end}}{{if .Text}}<h3>Text</h3><pre>{{.Text}}</pre>
{{end}}</article>
{{else}}<p>None yet. They appear here, newest first; nothing leaves this machine. Reload to see new ones.</p>
{{end}}</body>
</html>
`))

func (s *Server) servePage(w http.ResponseWriter, _ *http.Request) {
	var b bytes.Buffer
	if err := page.Execute(&b, s.Mails()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(b.Bytes())
}

func (s *Server) serveList(w http.ResponseWriter, _ *http.Request) {
	mails := s.Mails()
	if mails == nil {
		mails = []Mail{}
	}
	Protocol.Answer(w, mails)
}
