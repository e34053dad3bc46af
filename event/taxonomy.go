package event

// kind is one of the 35 event kinds of the requirements' taxonomy.
type kind struct {
	name     string // snake_case
	dotted   string
	critical bool
}

// taxonomy decides by a whole event name, before the general rules: a kind that
// is routine here is routine by its name, whatever words it holds. Criticality
// is the requirements' with two amendments made in the design: permission
// changes and denied authorization are critical. The kinds 27 to 29 had no
// dotted name and take the one of their category.
var taxonomy = []kind{
	{"auth_success", "auth.success", false},
	{"auth_failure", "auth.failure", true},
	{"token_created", "token.created", false},
	{"token_revoked", "token.revoked", true},
	{"authorization_granted", "authz.granted", false},
	{"authorization_denied", "authz.denied", true},
	{"permission_changed", "authz.permission_changed", true},
	{"pool_created", "pool.created", false},
	{"pool_deleted", "pool.deleted", false},
	{"pool_modified", "pool.modified", false},
	{"node_registered", "node.registered", false},
	{"node_deregistered", "node.deregistered", false},
	{"task_submitted", "task.submitted", false},
	{"task_completed", "task.completed", false},
	{"task_canceled", "task.canceled", false},
	{"vram_sealed", "vram.sealed", false},
	{"seal_verified", "seal.verified", false},
	{"seal_verification_failed", "seal.verification_failed", true},
	{"vram_allocated", "vram.allocated", false},
	{"vram_allocation_failed", "vram.allocation_failed", false},
	{"vram_deallocated", "vram.deallocated", false},
	{"rate_limit_exceeded", "security.rate_limit_exceeded", false},
	{"path_traversal_attempt", "security.path_traversal_attempt", true},
	{"invalid_token_used", "security.invalid_token_used", true},
	{"policy_violation", "security.policy_violation", true},
	{"suspicious_activity", "security.suspicious_activity", true},
	{"integrity_violation", "security.integrity_violation", true},
	{"malformed_model_rejected", "security.malformed_model_rejected", true},
	{"resource_limit_violation", "security.resource_limit_violation", true},
	{"inference_executed", "data.inference_executed", false},
	{"model_accessed", "data.model_accessed", false},
	{"data_deleted", "data.deleted", false},
	{"gdpr_data_access_request", "compliance.gdpr_data_access_request", false},
	{"gdpr_data_export", "compliance.gdpr_data_export", false},
	{"gdpr_right_to_erasure", "compliance.gdpr_right_to_erasure", false},
}
