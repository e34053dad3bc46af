package event

import "strings"

// bodyWords are the lists of the rules about bodies, and CRITICAL.md shows each.
// In a list a word that ends in '*' stands for all that begin so.
var bodyWords = struct {
	kubernetesReads, kubernetesResources, kubernetesSubresources wordList
	cloudTrailSources, cloudTrailNames, cloudTrailErrors         wordList
	auditdTypes                                                  wordList
}{
	// Verbs that change nothing; every other verb is a write, one that is not
	// known too.
	kubernetesReads: newWordList(`get list watch head options`),
	// Resources that hold secrets or say who may do what, and what guards the
	// cluster: every write to one is critical.
	kubernetesResources: newWordList(`
		secrets serviceaccounts roles rolebindings clusterroles clusterrolebindings certificatesigningrequests
		mutatingwebhookconfigurations validatingwebhookconfigurations mutatingadmissionpolicies
		mutatingadmissionpolicybindings validatingadmissionpolicies validatingadmissionpolicybindings
		networkpolicies apiservices`),
	// Subresources through which one acts inside a container or as another,
	// whatever the verb: a websocket opens with a get.
	kubernetesSubresources: newWordList(`
		pods/exec pods/attach pods/portforward pods/proxy pods/ephemeralcontainers services/proxy nodes/proxy
		serviceaccounts/token certificatesigningrequests/approval`),
	// Services whose writes decide who may do what, hold keys or secrets, or
	// watch over the account.
	cloudTrailSources: newWordList(`
		iam sts kms organizations cloudtrail config guardduty securityhub secretsmanager sso sso-directory
		identitystore access-analyzer account ram cognito-idp acm-pca cloudhsm`),
	// Writes to guards of other services: access to buckets, network borders,
	// and logs.
	cloudTrailNames: newWordList(`
		PutBucketPolicy DeleteBucketPolicy PutBucketAcl PutObjectAcl PutBucketPublicAccessBlock
		DeleteBucketPublicAccessBlock PutAccountPublicAccessBlock DeleteAccountPublicAccessBlock
		PutBucketLogging PutBucketVersioning DeleteBucketEncryption
		AuthorizeSecurityGroup* RevokeSecurityGroup* CreateSecurityGroup DeleteSecurityGroup
		CreateNetworkAcl* DeleteNetworkAcl* ReplaceNetworkAcl* DeleteFlowLogs
		CreateKeyPair ImportKeyPair GetPasswordData ModifySnapshotAttribute ModifyImageAttribute
		DeleteLogGroup DeleteLogStream DeleteTrail DeleteAlarms AddPermission* UpdateFunctionCode*`),
	// Error codes that say that access was denied.
	cloudTrailErrors: newWordList(`
		AccessDenied* UnauthorizedOperation Client.UnauthorizedOperation UnauthorizedAccess
		AuthFailure Client.AuthFailure InvalidClientTokenId Client.InvalidClientTokenId SignatureDoesNotMatch
		UnrecognizedClientException NotAuthorized* AuthorizationError*`),
	// Record types about who signs in, accounts, privileges, mandatory access
	// control, the audit system itself, and what intrusion detection found.
	auditdTypes: newWordList(`
		USER_AUTH USER_LOGIN USER_ERR USER_CHAUTHTOK USER_MGMT USER_CMD USER_ROLE_CHANGE GRP_AUTH GRP_CHAUTHTOK
		GRP_MGMT ADD_USER DEL_USER ADD_GROUP DEL_GROUP CHUSER_ID CHGRP_ID ACCT_LOCK ACCT_UNLOCK
		ROLE_ASSIGN ROLE_REMOVE ROLE_MODIFY
		AVC 1400 USER_AVC SELINUX_ERR USER_SELINUX_ERR MAC_POLICY_LOAD MAC_STATUS MAC_CONFIG_CHANGE
		USER_MAC_POLICY_LOAD USER_MAC_CONFIG_CHANGE LABEL_OVERRIDE DEV_ALLOC DEV_DEALLOC
		CONFIG_CHANGE FEATURE_CHANGE DAEMON_START DAEMON_END DAEMON_ABORT DAEMON_CONFIG DAEMON_ERR USYS_CONFIG
		KERN_MODULE ANOM_* RESP_* INTEGRITY_*`),
}

// auditdNumberAVC is the number that the kernel's own line gives for AVC.
const auditdNumberAVC = "1400"

// wordList is a list of words, and of beginnings of words.
type wordList struct {
	text   string
	words  map[string]string // to the rule's detail
	starts []string
}

func newWordList(text string) wordList {
	l := wordList{text: text, words: make(map[string]string)}
	for _, w := range strings.Fields(text) {
		if start, ok := strings.CutSuffix(w, "*"); ok {
			l.starts = append(l.starts, start)
		} else {
			l.words[w] = w
		}
	}
	return l
}

// find returns the listed word that s is, or begins as, "" if none.
func (l *wordList) find(s string) string {
	if w := l.words[s]; w != "" {
		return w
	}
	for _, start := range l.starts {
		if strings.HasPrefix(s, start) {
			return start + "*"
		}
	}
	return ""
}

func prefixed(class, detail string) string {
	if detail == "" {
		return ""
	}
	return class + ":" + detail
}

func kubernetesDenied(f *facts) string {
	code := f.fact("/responseStatus/code")
	if code.num == 401 || code.num == 403 || f.get("/annotations/authorization.k8s.io~1decision") == "forbid" {
		return "kubernetes:denied"
	}
	return ""
}

func kubernetesImpersonation(f *facts) string {
	if f.get("/impersonatedUser/username") != "" {
		return "kubernetes:impersonation"
	}
	return ""
}

// kubernetesResource decides by what is acted upon. Reads of secrets count but
// for the cluster's own components, which read them all day.
func kubernetesResource(f *facts) string {
	resource, sub := f.get("/objectRef/resource"), f.get("/objectRef/subresource")
	if sub != "" {
		if w := bodyWords.kubernetesSubresources.find(resource + "/" + sub); w != "" {
			return prefixed("kubernetes", w)
		}
	}
	verb := f.get("/verb")
	if bodyWords.kubernetesReads.find(verb) == "" {
		return prefixed("kubernetes", bodyWords.kubernetesResources.find(resource))
	}
	if resource == "secrets" && !strings.HasPrefix(f.get("/user/username"), "system:") {
		return "kubernetes:secrets"
	}
	return ""
}

// cloudTrailRoot is the use of an account's root user, but by a service on its
// behalf (CIS AWS Foundations Benchmark, root account usage).
func cloudTrailRoot(f *facts) string {
	if f.get("/userIdentity/type") == "Root" && f.get("/userIdentity/invokedBy") == "" &&
		f.get("/eventType") != "AwsServiceEvent" {
		return "cloudtrail:root"
	}
	return ""
}

func cloudTrailDenied(f *facts) string {
	if bodyWords.cloudTrailErrors.find(f.get("/errorCode")) != "" {
		return "cloudtrail:denied"
	}
	return ""
}

// cloudTrailSource decides by the service: all of sign-in, and writes of those
// that are listed.
func cloudTrailSource(f *facts) string {
	service, _ := strings.CutSuffix(f.get("/eventSource"), ".amazonaws.com")
	if service == "signin" {
		return "cloudtrail:signin"
	}
	if f.cloudTrailReads() {
		return ""
	}
	return prefixed("cloudtrail", bodyWords.cloudTrailSources.find(service))
}

func cloudTrailName(f *facts) string {
	return prefixed("cloudtrail", bodyWords.cloudTrailNames.find(f.get("/eventName")))
}

// cloudTrailReads tells whether the call only reads, by its name if the record
// is of a version that does not say.
func (f *facts) cloudTrailReads() bool {
	if x := f.fact("/readOnly"); x.kind != factNone {
		return x.text == "true"
	}
	for _, start := range []string{"Get", "List", "Describe", "Lookup", "Head"} {
		if strings.HasPrefix(f.get("/eventName"), start) {
			return true
		}
	}
	return false
}

func auditdType(f *facts) string {
	return prefixed("auditd", bodyWords.auditdTypes.find(f.get("/type")))
}

// auditdFailed is what a program reports as failed, of any type. A system call
// that fails, success=no, is nothing unusual.
func auditdFailed(f *facts) string {
	if resultWord(f.get("/res")) == "failure" {
		return "auditd:failed"
	}
	return ""
}

func journaldAudit(f *facts) string {
	if rule := prefixed("auditd", bodyWords.auditdTypes.find(f.get("/_AUDIT_TYPE_NAME"))); rule != "" {
		return rule
	}
	if resultWord(f.get("/AUDIT_FIELD_RES")) == "failure" {
		return "auditd:failed"
	}
	return ""
}
