#!/usr/bin/env bash
# Version:   pyOpenSSL 26.4.0 with OpenSSL of cryptography 50.0.2, Linux 6.18.
# Guess:     a TLS client that sends what it has to say, then close_notify, and closes its socket, ends its connection by a FIN,
#            whichever version of TLS. The reset of a close is for applications that leave an answer unread.
# Behaviour: with TLS 1.3 it resets. After the handshake the server sends session tickets, unasked (RFC 8446 §4.6.1; OpenSSL two of
#            them). A client that never reads, since it has only log lines or a file to deliver, leaves them in the buffer of
#            its socket, and close() with unread data is a reset (RFC 9293 §3.6.1). Where they arrive after close(), they are
#            data for a closed socket, which resets too. What the server has not received by then is lost.
# Output:    TLS 1.2: FIN, the server reads to the end; TLS 1.3: RST, the server reads what came, then ECONNRESET
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for a network namespace" >&2; exit 2; }
if [ "${1:-}" != inside ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  { python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" --quiet install pyOpenSSL==26.4.0 cryptography==50.0.2; } || exit 2
  unshare --net bash "$0" inside "$folder"
  exit
fi
folder=$2
ip link set lo up

seen=$("$folder/venv/bin/python" - <<'PYTHON'
import datetime, errno, select, socket, threading
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

IPV4, FIN, RST = 0x0800, 1, 4

key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
now = datetime.datetime.now(datetime.timezone.utc)
day = datetime.timedelta(days=1)
certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
               .not_valid_before(now - day).not_valid_after(now + day).sign(key, hashes.SHA256()))

def serve(listener, closed, told):
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_privatekey(key)
    context.use_certificate(certificate)
    connection, _ = listener.accept()
    tls = SSL.Connection(context, connection)
    tls.set_accept_state()
    tls.do_handshake()
    closed.wait()
    # What is below TLS: everything that has arrived, and then how it ends.
    try:
        while connection.recv(4096):
            pass
        told.append("reads to the end")
    except OSError as error:
        told.append(f"reads what came, then {errno.errorcode[error.errno]}")

def end(sniffer, port):
    """How the client's side of the connection has ended."""
    while select.select([sniffer], [], [], 0.5)[0]:
        packet, _ = sniffer.recvfrom(70000)
        tcp = packet[(packet[0] & 15) * 4:]
        if int.from_bytes(tcp[:2], "big") == port and tcp[13] & (FIN | RST):
            return "RST" if tcp[13] & RST else "FIN"
    return "none"

words = []
for version, text in ((SSL.TLS1_2_VERSION, "TLS 1.2"), (SSL.TLS1_3_VERSION, "TLS 1.3")):
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(IPV4))
    listener = socket.create_server(("127.0.0.1", 0))
    closed, told = threading.Event(), []
    server = threading.Thread(target=serve, args=(listener, closed, told))
    server.start()
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    client = socket.create_connection(listener.getsockname())
    port = client.getsockname()[1]
    tls = SSL.Connection(context, client)
    tls.set_connect_state()
    tls.do_handshake()
    tls.sendall(b"a line of a log\n")
    tls.shutdown()
    if text == "TLS 1.3" and not select.select([client], [], [], 10)[0]:
        raise SystemExit("no session tickets came")
    tls.close()
    client.close()
    closed.set()
    server.join()
    words.append(f"{text}: {end(sniffer, port)}, the server {told[0]}")
print("; ".join(words))
PYTHON
)
expected="TLS 1.2: FIN, the server reads to the end; TLS 1.3: RST, the server reads what came, then ECONNRESET"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
