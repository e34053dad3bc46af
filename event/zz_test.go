package event_test
import ("testing";"os")
func TestZ(t *testing.T){ var out []byte; for _,n:=range []string{"kubernetes-map","kubernetes-text","cloudtrail-map","ocsf-map","auditd"} { for _,ld:=range samples(t,formats+"/"+n+".json")[:2] { b,_:=encode(defaults(t),ld); out=append(append(append(out,`{"event":`...),b...),'}','\n') } }; os.WriteFile("/tmp/e.jsonl",out,0o644) }
