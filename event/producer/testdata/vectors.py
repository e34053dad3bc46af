"""Writes vectors.json: records signed as the README of contrib's signingprocessor says.

An implementation of its own, which shares nothing with the Go code: canonical JSON (RFC 8785) by hand,
signatures by the Python package cryptography. Keys and random signatures are new each time, so the
file changes with every run, and the private keys are nowhere: python3 vectors.py > vectors.json
"""

import base64
import copy
import datetime
import hashlib
import hmac
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.x509.oid import NameOID


def number(d):
    """A double as ECMAScript prints it (RFC 8785, section 3.2.2.3)."""
    if d == 0:
        return "0"
    if d < 0:
        return "-" + number(-d)
    mantissa, _, exponent = repr(d).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = fraction.rstrip("0") if fraction != "0" else ""
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0)  # of the decimal point, from the first digit of whole + fraction
    point -= len(whole + fraction) - len((whole + fraction).lstrip("0"))
    digits = digits.rstrip("0")
    n = len(digits)
    if 0 < point <= 21:
        return digits + "0" * (point - n) if n <= point else digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    e = point - 1
    return digits[0] + ("." + digits[1:] if n > 1 else "") + "e" + ("+" if e > 0 else "-") + str(abs(e))


def string(s):
    short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
    return '"' + "".join(short.get(ord(c)) or (f"\\u{ord(c):04x}" if ord(c) < 32 else c) for c in s) + '"'


def jcs(v):
    if v is None:
        return "null"
    if v is True or v is False:
        return "true" if v else "false"
    if isinstance(v, float):
        return number(v)
    if isinstance(v, str):
        return string(v)
    if isinstance(v, list):
        return "[" + ",".join(map(jcs, v)) + "]"
    keys = sorted(v, key=lambda k: k.encode("utf-16-be"))
    return "{" + ",".join(string(k) + ":" + jcs(v[k]) for k in keys) + "}"


def value(v):
    """The tagged form of an OTLP/JSON AnyValue."""
    if "arrayValue" in v:
        return [value(e) for e in v["arrayValue"].get("values", [])]
    if "kvlistValue" in v:
        return {e["key"]: value(e["value"]) for e in v["kvlistValue"].get("values", [])}
    if "doubleValue" in v:
        return {"doubleValue": float(v["doubleValue"])}
    if "intValue" in v:
        return {"intValue": str(v["intValue"])}
    return dict(v) if v else None


def canonical(r, form):
    out = {}
    if r.get("eventName"):
        out["event_name"] = r["eventName"]
    body = r.get("body")
    if body and form == "tagged_body":
        out["body"] = value(body)
    elif body and "stringValue" in body:
        out["body"] = body["stringValue"]
    for name, of in (("timeUnixNano", "timestamp"), ("observedTimeUnixNano", "observed_timestamp")):
        if r.get(name, "0") != "0":
            out[of] = r[name]
    for name, of in (("traceId", "trace_id"), ("spanId", "span_id")):
        if r.get(name, "").strip("0"):
            out[of] = r[name].lower()
    attributes = {a["key"]: value(a["value"]) for a in r.get("attributes", []) if not a["key"].startswith("audit.integrity.")}
    if attributes:
        out["attributes"] = attributes
    return jcs(out)


# Keys: how each signs, and what is trusted.

def pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def certificate(key, algorithm=hashes.SHA256()):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "portal")])
    then = datetime.datetime(2001, 1, 1)  # long expired: what is configured is trusted
    return (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(4711).not_valid_before(then).not_valid_after(then + datetime.timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .sign(key, algorithm))


RSA, RSA2 = (rsa.generate_private_key(65537, 2048) for _ in range(2))
EC, EC2 = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
ED = ed25519.Ed25519PrivateKey.generate()
SECRET = b"a secret of the vectors only, 32+ bytes"
CERT = certificate(EC)
DER = CERT.public_bytes(serialization.Encoding.DER)

SIGN = {
    "RS256": lambda b, k=RSA: k.sign(b, padding.PKCS1v15(), hashes.SHA256()),
    "RS512": lambda b, k=RSA: k.sign(b, padding.PKCS1v15(), hashes.SHA512()),
    "ES256": lambda b, k=EC: k.sign(b, ec.ECDSA(hashes.SHA256())),
    "EdDSA": lambda b, k=ED: k.sign(b),
    "HMAC-SHA256": lambda b, k=SECRET: hmac.new(k, b, hashlib.sha256).digest(),
    "HMAC-SHA512": lambda b, k=SECRET: hmac.new(k, b, hashlib.sha512).digest(),
}
KEYS = {
    "rs256": {"algorithm": "RS256", "pem": pem(RSA)},
    "rs512": {"algorithm": "RS512", "pem": pem(RSA)},
    "es256": {"algorithm": "ES256", "pem": pem(EC)},
    "cert": {"algorithm": "ES256", "pem": CERT.public_bytes(serialization.Encoding.PEM).decode()},
    "tagged": {"algorithm": "ES256", "pem": pem(EC), "form": "tagged_body"},
    "eddsa": {"algorithm": "EdDSA", "pem": pem(ED)},
    "hmac256": {"algorithm": "HMAC-SHA256", "secret": base64.b64encode(SECRET).decode()},
    "hmac512": {"algorithm": "HMAC-SHA512", "secret": base64.b64encode(SECRET).decode()},
    "rs256-other": {"algorithm": "RS256", "pem": pem(RSA2)},
    "es256-other": {"algorithm": "ES256", "pem": pem(EC2)},
    "hmac256-other": {"algorithm": "HMAC-SHA256", "secret": base64.b64encode(SECRET[::-1]).decode()},
}


def attribute(name, v):
    return {"key": name, "value": {"stringValue": v} if isinstance(v, str) else v}


def audit(**more):
    return {
        "timeUnixNano": "1714041600000000001", "observedTimeUnixNano": "1714041600001000000",
        "eventName": "user.login.success", "traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "00000000000000aa",
        "attributes": [attribute(k, v) for k, v in {
            "audit.record.id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "audit.actor.id": "u8472",
            "audit.actor.type": "user", "audit.action": "LOGIN", "audit.outcome": "success",
        }.items()], **more,
    }


def rich():
    values = {
        "int": {"intValue": "9223372036854775807"}, "negative": {"intValue": "-9007199254740993"}, "zero": {"intValue": "0"},
        "bool": {"boolValue": False}, "bytes": {"bytesValue": "3q2+7w=="}, "no bytes": {"bytesValue": ""}, "null": {},
        "text": {"stringValue": "\u0000\u001f\"\\/<&>\u2028\u2029\u00e9\U0001f600\ufffd\\ud800"}, "": {"stringValue": ""},
        "\uff5e": {"stringValue": "after"}, "\U00010000": {"stringValue": "before, in UTF-16"},
        "list": {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "1"}, {}, {"arrayValue": {}}]}},
        "map": {"kvlistValue": {"values": [{"key": "b", "value": {"doubleValue": 1.5}}, {"key": "a", "value": {"kvlistValue": {}}}]}},
    }
    for i, d in enumerate([1.0, -2.5, 1e21, 1e20, 123456789012345680000.0, 5e-7, 1e-6, 0.000123, 5e-324, 1.7976931348623157e308,
                           0.1, 4.35, 1 / 3, -0.0, 9007199254740993.0, 1e300, 2.5e-8, 100.0]):
        values[f"double {i}"] = {"doubleValue": d}
    r = audit()
    r["attributes"] += [attribute(k, v) for k, v in values.items()]
    return r


def nested(depth):
    v = {"intValue": "1"}
    for _ in range(depth):
        v = {"arrayValue": {"values": [v]}}
    return v


VECTORS = []


def vector(name, record, algorithm, trusted, form="tagged_body", sign=None, value=None, change=None, resource=None,
           key=None, reason="", uncovered=(), said=None):
    """change alters the record after signing; said is what the resource calls the algorithm."""
    signed = canonical(record, form).encode()
    r = copy.deepcopy(record)
    if value is None:
        value = base64.b64encode((sign or SIGN[algorithm])(signed)).decode()
    r.setdefault("attributes", []).append(attribute("audit.integrity.value", value))
    if change:
        change(r)
    attributes = dict({"service.name": "portal", "audit.integrity.algorithm": said or algorithm}, **(resource or {}))
    VECTORS.append({
        "name": name, "trusted": trusted,
        "logs": {"resourceLogs": [{"resource": {"attributes": [attribute(k, v) for k, v in attributes.items() if v]},
                                   "scopeLogs": [{"logRecords": [r]}]}]},
        "tagged_body": canonical(r, "tagged_body") if reason not in ("depth", "duplicate_key") else "",
        "string_body": canonical(r, "string_body") if reason not in ("depth", "duplicate_key") else "",
        "verified": not reason, "reason": reason, "key": key or ("" if reason else trusted[0]), "uncovered": list(uncovered),
    })


def edit(name, v):
    def change(r):
        for a in r["attributes"]:
            if a["key"] == name:
                a["value"] = v if isinstance(v, dict) else {"stringValue": v}
    return change


def put(name, v):
    return lambda r: r.update({name: v})


def raw(b):
    r, s = utils.decode_dss_signature(SIGN["ES256"](b))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def flipped(f, at):
    def sign(b):
        s = bytearray(f(b))
        s[at] ^= 1
        return bytes(s)
    return sign


ALGORITHMS = [("RS256", "rs256"), ("RS512", "rs512"), ("ES256", "es256"), ("EdDSA", "eddsa"), ("HMAC-SHA256", "hmac256"), ("HMAC-SHA512", "hmac512")]
for a, k in ALGORITHMS:
    vector(f"{a}", audit(), a, [k])
    vector(f"{a}, all there is", rich(), a, [k])
    vector(f"{a}, a byte of the signature flipped", audit(), a, [k], sign=flipped(SIGN[a], 9), reason="mismatch")
    vector(f"{a}, the last byte of the signature flipped", audit(), a, [k], sign=flipped(SIGN[a], -1), reason="mismatch")
    vector(f"{a}, signature cut", audit(), a, [k], sign=lambda b, a=a: SIGN[a](b)[:-1], reason="mismatch")
    vector(f"{a}, signature with a byte more", audit(), a, [k], sign=lambda b, a=a: SIGN[a](b) + b"\0", reason="mismatch")
    vector(f"{a}, actor changed", audit(), a, [k], change=edit("audit.actor.id", "u8473"), reason="mismatch")
vector("among many keys", audit(), "EdDSA", ["rs256", "hmac256", "es256", "eddsa"], key="eddsa")
vector("second key of an algorithm", audit(), "ES256", ["es256-other", "es256"], key="es256")

for name, v in {"string": {"stringValue": "signed in"}, "empty string": {"stringValue": ""}, "int": {"intValue": "42"}, "double": {"doubleValue": 1.5},
                "bool": {"boolValue": True}, "bytes": {"bytesValue": "3q0="}, "list": {"arrayValue": {"values": [{"stringValue": "x"}]}},
                "map": {"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": False}}]}}}.items():
    vector(f"body, tagged, {name}", audit(body=v), "ES256", ["es256"])
    vector(f"body, older form, {name}", audit(body=v), "ES256", ["es256"], form="string_body",
           uncovered=() if "string" in name else ("body",))
    vector(f"body, older form not trusted, {name}", audit(body=v), "ES256", ["tagged"], form="string_body", reason="mismatch")
vector("body changed", audit(body={"stringValue": "a"}), "ES256", ["es256"], change=put("body", {"stringValue": "b"}), reason="mismatch")
vector("body of another kind", audit(body={"stringValue": "1"}), "ES256", ["es256"], change=put("body", {"intValue": "1"}), reason="mismatch")
vector("body added, newer form", audit(), "ES256", ["tagged"], change=put("body", {"intValue": "1"}), reason="mismatch")

for name, v in (("timeUnixNano", "1714041600000000002"), ("observedTimeUnixNano", "0"), ("eventName", "user.login.failure"),
                ("traceId", "0102030405060708090a0b0c0d0e0f11"), ("spanId", "00000000000000ab")):
    vector(f"{name} changed", audit(), "EdDSA", ["eddsa"], change=put(name, v), reason="mismatch")
for name, change, uncovered in (("severityNumber", put("severityNumber", 9), ["severity_number"]), ("severityText", put("severityText", "INFO"), ["severity_text"]),
                                ("flags", put("flags", 1), ["flags"]), ("droppedAttributesCount", put("droppedAttributesCount", 2), ["dropped_attributes_count"])):
    vector(f"{name} is not signed", audit(), "EdDSA", ["eddsa"], change=change, uncovered=uncovered)
vector("resource is not signed", audit(), "EdDSA", ["eddsa"], resource={"service.name": "another"})
vector("other attributes of integrity are not signed", audit(), "EdDSA", ["eddsa"],
       change=lambda r: r["attributes"].append(attribute("audit.integrity.signer", "collector")))
vector("attribute added", audit(), "EdDSA", ["eddsa"], change=lambda r: r["attributes"].append(attribute("x", "y")), reason="mismatch")
vector("attribute of another kind", rich(), "EdDSA", ["eddsa"], change=edit("zero", {"stringValue": "0"}), reason="mismatch")
vector("integer beyond a double's precision", rich(), "EdDSA", ["eddsa"], change=edit("negative", {"intValue": "-9007199254740992"}), reason="mismatch")
vector("sign of zero is not signed", rich(), "EdDSA", ["eddsa"], change=edit("double 13", {"doubleValue": 0.0}))
vector("order of attributes does not matter", audit(), "EdDSA", ["eddsa"], change=lambda r: r["attributes"].reverse())
vector("nothing but a signature", {}, "EdDSA", ["eddsa"])

vector("wrong key, RS256", audit(), "RS256", ["rs256-other"], reason="mismatch")
vector("wrong key, ES256", audit(), "ES256", ["es256-other"], reason="mismatch")
vector("wrong key, HMAC", audit(), "HMAC-SHA256", ["hmac256-other"], reason="mismatch")
vector("no key of that algorithm", audit(), "RS256", ["rs512", "es256"], reason="unknown_key")
vector("said to be RS512", audit(), "RS256", ["rs256", "rs512"], said="RS512", reason="mismatch")
vector("said to be HMAC-SHA512", audit(), "HMAC-SHA256", ["hmac512"], said="HMAC-SHA512", reason="mismatch")
vector("HMAC with the public key's PEM", audit(), "HMAC-SHA256", ["rs256", "hmac256"], sign=lambda b: SIGN["HMAC-SHA256"](b, pem(RSA).encode()), reason="mismatch")
vector("HMAC with the public key's DER, no HMAC key", audit(), "HMAC-SHA256", ["rs256", "cert"], sign=lambda b: SIGN["HMAC-SHA256"](b, DER), reason="unknown_key")
vector("HMAC said to be RS256", audit(), "HMAC-SHA256", ["rs256"], said="RS256", sign=lambda b: SIGN["HMAC-SHA256"](b, pem(RSA).encode()), reason="mismatch")
vector("raw r||s", audit(), "ES256", ["es256"], sign=raw, reason="mismatch")
vector("zero r and s", audit(), "ES256", ["es256"], sign=lambda b: bytes.fromhex("3006020100020100"), reason="mismatch")
vector("RSA-PSS", audit(), "RS256", ["rs256"], sign=lambda b: RSA.sign(b, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()), reason="mismatch")
vector("RS256 of SHA-1", audit(), "RS256", ["rs256"], sign=lambda b: RSA.sign(b, padding.PKCS1v15(), hashes.SHA1()), reason="mismatch")
vector("the hash signed in place of the form", audit(), "EdDSA", ["eddsa"], sign=lambda b: ED.sign(hashlib.sha256(b).digest()), reason="mismatch")
vector("JSON that is not canonical", audit(), "EdDSA", ["eddsa"], sign=lambda b: ED.sign(json.dumps(json.loads(b)).encode()), reason="mismatch")
vector("algorithm none", audit(), "EdDSA", ["eddsa"], said="none", reason="unsupported_algorithm")
vector("algorithm in lower case", audit(), "EdDSA", ["eddsa"], said="eddsa", reason="unsupported_algorithm")
vector("no algorithm", audit(), "EdDSA", ["eddsa"], resource={"audit.integrity.algorithm": ""}, reason="missing_algorithm")
vector("algorithm on the record", audit(), "EdDSA", ["eddsa"], resource={"audit.integrity.algorithm": ""},
       change=lambda r: r["attributes"].append(attribute("audit.integrity.algorithm", "EdDSA")))
vector("canonicalization jcs", audit(), "EdDSA", ["eddsa"], resource={"audit.integrity.canonicalization": "jcs"})
vector("canonicalization of another kind", audit(), "EdDSA", ["eddsa"], resource={"audit.integrity.canonicalization": "cbor"}, reason="unsupported_canonicalization")

SIGNED = base64.b64encode(ED.sign(canonical(audit(), "tagged_body").encode())).decode()
NEXT = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
for name, v in {"with unused bits": SIGNED[:-3] + NEXT[NEXT.index(SIGNED[-3]) + 1] + "==", "empty": "", "no base64": "*", "base64url": base64.urlsafe_b64encode(b"\xff\xef" * 32).decode(), "unpadded": SIGNED.rstrip("="),
                "with a line feed": SIGNED + "\n", "with a space": " " + SIGNED, "hex": "00" * 33, "long": "A" * 5000}.items():
    vector(f"value {name}", audit(), "EdDSA", ["eddsa"], value=v, reason="invalid_value")
vector("value of another kind", audit(), "EdDSA", ["eddsa"], change=edit("audit.integrity.value", {"intValue": "1"}), reason="invalid_value")
vector("no value", audit(), "EdDSA", ["eddsa"], change=lambda r: r["attributes"].pop(), reason="missing_value")
vector("value twice", audit(), "EdDSA", ["eddsa"], change=lambda r: r["attributes"].append(attribute("audit.integrity.value", SIGNED)), reason="duplicate_key")
vector("actor twice, the signed one last", audit(), "EdDSA", ["eddsa"], change=lambda r: r["attributes"].insert(0, attribute("audit.actor.id", "mallory")), reason="duplicate_key")
vector("as deep as may be", audit(body=nested(128)), "EdDSA", ["eddsa"])
vector("too deep", audit(body=nested(129)), "EdDSA", ["eddsa"], reason="depth")

FINGERPRINT = "sha256:" + hashlib.sha256(DER).hexdigest()
SPKI = EC.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
SKI = CERT.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
OTHER = certificate(EC2).public_bytes(serialization.Encoding.DER)
for name, ref, trusted, key, reason in (
    ("fingerprint", FINGERPRINT, ["es256-other", "cert"], "cert", ""),
    ("fingerprint in upper case", FINGERPRINT.upper(), ["cert"], "cert", ""),
    ("fingerprint of another", "sha256:" + "00" * 32, ["cert"], "", "unknown_key"),
    ("fingerprint that a bare key can't know", FINGERPRINT, ["es256"], "es256", ""),
    ("fingerprint of the public key", "sha256:" + hashlib.sha256(SPKI).hexdigest(), ["es256-other", "es256"], "es256", ""),
    ("full", base64.b64encode(DER).decode(), ["es256-other", "cert"], "cert", ""),
    ("full, a bare key", base64.b64encode(DER).decode(), ["es256"], "es256", ""),
    ("full, of another key", base64.b64encode(OTHER).decode(), ["cert", "es256"], "", "unknown_key"),
    ("the signer's own, which nobody trusts", base64.b64encode(DER).decode(), ["es256-other"], "", "unknown_key"),
    ("key id", "cert", ["es256-other", "cert", "es256"], "cert", ""),
    ("subject key identifier", SKI, ["cert"], "cert", ""),
    ("issuer and serial", "CN=portal/4711", ["cert"], "cert", ""),
    ("serial of another", "CN=portal/4712", ["cert"], "", "unknown_key"),
    ("nonsense", "?" * 20000, ["es256"], "es256", ""),
):
    vector(f"certificate: {name}", audit(), "ES256", trusted, resource={"audit.integrity.certificate": ref}, key=key, reason=reason)

print('{"keys":' + json.dumps(KEYS, indent=1) + ',\n"vectors":[')
print(",\n".join(json.dumps(v, separators=(",", ":")) for v in VECTORS))
print("]}")
