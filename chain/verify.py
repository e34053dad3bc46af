"""Checks the chain of an audit log, with Python 3 and nothing else: python3 verify.py LOGFOLDER

It is the chain check of FORMAT.md, steps 1 to 4, and no more: cuts and mark are not looked at.
Run it on a log that nobody writes, or on a copy; leave the folder its name, which is the log id.
Exit status: 0 the chain holds, 1 it is broken, 2 usage, 4 it could not be read or is of another format.
"""
import hashlib, json, os, re, sys

NAME = re.compile(r"([0-9]{10})-([0-9]{20})\.jsonl")
LINE = re.compile(rb'\{"seq":([1-9][0-9]{0,19}),"prev_hash":"([0-9a-f]{64})","hash":"([0-9a-f]{64})",'
                  rb'"(event|system)":(\{.*\})\}\n', re.DOTALL)
TAG = {b"event": b"auditlog/entry/v1\n", b"system": b"auditlog/system/v1\n"}
MAX_LINE, MAX_SEQ = 1 << 28, (1 << 64) - 1

class Broken(Exception):
    pass

def sha256(data):
    return hashlib.sha256(data).digest()

def parse(body):
    """A JSON object as a dict. An integer becomes a tuple of its digits: any size, unlike a string."""
    def refuse(word):
        raise ValueError(word + " is no JSON")
    return json.loads(body.decode("utf-8"), parse_int=lambda digits: (digits,), parse_float=str, parse_constant=refuse)

def check(folder):
    """The sequence number and hash of the head, or Broken: the place and what is wrong there."""
    log_id, name, line, offset, seq = os.path.basename(os.path.abspath(folder)), "", 0, 0, 0
    def require(condition, reason):
        if not condition:
            raise Broken(f"{name or log_id}: line {line}, offset {offset}, seq {seq}: {reason}")
    segments = sorted(n for n in os.listdir(folder) if NAME.fullmatch(n))
    require(re.fullmatch("[0-9a-f]{32}", log_id), "the folder's name is no log id")
    require(segments, "no segment")
    firsts = [int(n[11:31]) for n in segments]
    for i, name in enumerate(segments):                                                         # step 1
        line, seq = 1, firsts[i]
        require(int(name[:10]) == i + 1, f"not segment {i + 1}, which should stand here")
        path = os.path.join(folder, name)
        require(os.path.isfile(path) and not os.path.islink(path), "not a file")
        require(firsts[i] == 1 if i == 0 else firsts[i - 1] < firsts[i] <= MAX_SEQ, "first seq out of order")
    last, head = 0, sha256(b"auditlog/log/v1\n" + bytes.fromhex(log_id))
    for i, name in enumerate(segments):
        line, offset, closed, end = 0, 0, False, firsts[i + 1] - 1 if i + 1 < len(segments) else None
        with open(os.path.join(folder, name), "rb") as file:
            while last != end:                                                                  # step 2
                text, line, seq = file.readline(MAX_LINE + 1), line + 1, last + 1
                if not text and line > 1 and end is None:
                    break
                require(text, "the segment ends before this entry")
                form = LINE.fullmatch(text) if len(text) <= MAX_LINE else None
                require(form, "not the form of an entry")
                number, prev_hash, stated, kind, body = form.groups()
                require(int(number) == seq <= MAX_SEQ, f"seq is {int(number)}")
                require(prev_hash.decode() == head.hex(), "prev_hash is not the hash of the entry before")
                head = sha256(TAG[kind] + head + seq.to_bytes(8, "big") + sha256(body))
                require(stated.decode() == head.hex(), "hash does not match")
                try:
                    members = parse(body)
                except (ValueError, RecursionError) as error:
                    require(False, f"the body is not one JSON object: {error}")
                system = members if kind == b"system" else {}
                require(all(re.fullmatch("[a-z0-9_]+", m) for m in system), "a member's name is not of a-z, 0-9 and _")
                if line == 1:                                                                   # step 3
                    require(system.get("type") == "opened" and system.get("log_id") == log_id
                            and system.get("ordinal") == (str(i + 1),) and isinstance(system.get("format"), tuple),
                            "not the opening entry of this segment")
                    if system["format"] != ("1",):
                        raise OSError(f"{name} is of format {system['format'][0]}, not judged here")
                require(not closed, "an entry follows a closed entry")                          # step 4
                require(line == 1 or system.get("type") != "opened", "an opening entry is not the first of its segment")
                closed = system.get("type") == "closed"
                last, offset = seq, offset + len(text)
    return last, head.hex()

def main(arguments):
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python3 verify.py LOGFOLDER", file=sys.stderr)
        return 2
    try:
        seq, head = check(arguments[0])
    except Broken as error:
        print(error)
        return 1
    except OSError as error:
        print(f"couldn't read the log: {error}", file=sys.stderr)
        return 4
    print(f"the chain of {seq} entries holds; head: seq {seq}, hash {head}; truncation not excluded")
    return 0

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
