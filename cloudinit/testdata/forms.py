#!/usr/bin/python3
"""Write the forms that user-data may have, and what cloud-init itself makes of each (Debian's package cloud-init).

forms/NAME.in is user-data, forms/NAME.want the parts that cloud-init hands to its handlers: type, then content.
"""
import base64, gzip, io, os, sys
from email.mime.application import MIMEApplication
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email import encoders, charset
from cloudinit import user_data, util

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "forms")
os.makedirs(here, exist_ok=True)

DOCUMENT = """version: 1
stack: blog
role: db
node: db-2
incarnation: 3
found: false
join:
  - 10.0.0.2
settings:
  site.title: "Köpfe = Ideen — an example"
tls:
  ca: authority
  certificate: certificate
  key: key
"""
TRAILER = "# the end of a node's user-data\n"


def config(encoding="", content=None):
    lines = ["#cloud-config", "hostname: db-2", "write_files:", "  - path: /etc/hornero/node.yaml", "    permissions: '0600'"]
    if encoding:
        lines += ["    encoding: " + encoding]
    if content is None:
        lines += ["    content: |"] + ["      " + line for line in DOCUMENT.splitlines()]
    else:
        lines += ["    content: " + content]
    return "\n".join(lines) + "\n" + TRAILER


def pack(data):
    if isinstance(data, str):
        data = data.encode()
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as f:
        f.write(data)
    return out.getvalue()


def multi(*parts, boundary="===============2389165605550749110=="):
    message = MIMEMultipart(boundary=boundary)
    for part in parts:
        message.attach(part)
    return message


def text(content, subtype, name=None, encoding=None):
    """As `cloud-init devel make-mime` does, and with other transfer encodings."""
    if encoding == "quoted-printable":
        cs = charset.Charset("utf-8")
        cs.body_encoding = charset.QP
        part = MIMEText(content, subtype, cs)
    elif encoding == "8bit":
        part = MIMEBase("text", subtype, charset="utf-8")
        part["Content-Transfer-Encoding"] = "8bit"
        part.set_payload(content)
    else:
        part = MIMEText(content, subtype, sys.getdefaultencoding())  # base64
    if name:
        part.add_header("Content-Disposition", "attachment", filename=name)
    return part


def packed(content):
    part = MIMEApplication(pack(content), "x-gzip")
    part.add_header("Content-Disposition", "attachment", filename="config.yaml.gz")
    return part


def indent(content):
    return "".join("    " + line + "\n" for line in content.splitlines())


script = "#!/bin/sh\necho \"Hello World\" > /var/tmp/output.txt\n"
# The example of cloud-init's documentation, "MIME multi-part archive", with a node's document in its second part.
documented = """Content-Type: multipart/mixed; boundary="===============2389165605550749110=="
MIME-Version: 1.0
Number-Attachments: 2

--===============2389165605550749110==
Content-Type: text/cloud-boothook; charset="us-ascii"
MIME-Version: 1.0
Content-Transfer-Encoding: 7bit
Content-Disposition: attachment; filename="part-001"

#!/bin/sh
echo "this is from a boothook." > /var/tmp/boothook.txt

--===============2389165605550749110==
Content-Type: text/cloud-config; charset="us-ascii"
MIME-Version: 1.0
Content-Transfer-Encoding: 7bit
Content-Disposition: attachment; filename="part-002"

%s--===============2389165605550749110==--
"""
# cloud-init 22.4 writes other letters of an 8bit part, and of one that it unpacked, in Latin-1; so they are left out there.
ascii_config = config().replace("ö", "oe").replace("—", "-")
archive = "#cloud-config-archive\n- type: \"text/cloud-boothook\"\n  content: |\n    #!/bin/sh\n    echo \"this is from a boothook.\" > /var/tmp/boothook.txt\n- type: \"text/cloud-config\"\n  content: |\n" + indent(config())
bare = "#cloud-config-archive\n- |\n" + indent(script) + "- |\n" + indent(config()) + "- content: |\n    packages: [tree]\n  filename: tree.yaml\n"
encoded = base64.b64encode(DOCUMENT.encode()).decode()

forms = {
    "plain": config(),
    "plain-crlf": config().replace("\n", "\r\n"),
    "plain-capitals": config().replace("#cloud-config", "  #Cloud-Config"),
    "mentions-mime": ascii_config.replace("hostname: db-2", "hostname: db-2\n# MIME-Version: 1.0"),
    "gzip": pack(config()),
    "mime-documented": documented % ascii_config,
    "mime-crlf": (documented % ascii_config).replace("\n", "\r\n"),
    "mime-base64": multi(text(config(), "cloud-config", "config.yaml"), text(script, "x-shellscript", "script.sh")).as_bytes(),
    "mime-quoted-printable": multi(text(config(), "cloud-config", "config.yaml", "quoted-printable")).as_bytes(),
    "mime-8bit": b'Content-Type: multipart/mixed; boundary="b"\nMIME-Version: 1.0\n\n--b\nContent-Type: text/cloud-config; charset="utf-8"\nContent-Transfer-Encoding: 8bit\n\n' + ascii_config.encode() + b"\n--b--\n",
    "mime-guessed": multi(text(config(), "plain"), text(script, "plain")).as_bytes(),
    "mime-nested": multi(text(script, "x-shellscript"), multi(text(script, "x-shellscript"), multi(text(config(), "cloud-config"), boundary="inner"), boundary="middle")).as_bytes(),
    "mime-gzip-part": multi(text(script, "x-shellscript"), packed(ascii_config)).as_bytes(),
    "mime-gzip-whole": pack(multi(text(script, "x-shellscript"), text(config(), "cloud-config")).as_bytes()),
    "mime-archive-part": multi(text(archive, "cloud-config-archive")).as_bytes(),
    "archive": archive,
    "archive-bare": bare,
    "archive-gzip": pack(archive),
    "write-files-base64": config("b64", encoded),
    "write-files-gzip-base64": config("gz+base64", base64.b64encode(pack(DOCUMENT)).decode()),
    "write-files-gzip-binary": config("gzip", "!!binary " + base64.b64encode(pack(DOCUMENT)).decode()),
    "write-files-binary": config("", "!!binary " + encoded),
}


class Paths:
    def get_ipath_cur(self, _=None):
        return "/nonexistent"

    def get_ipath(self, _=None):
        return None


util.fetch_ssl_details = lambda _=None: {}
for name, data in forms.items():
    if isinstance(data, str):
        data = data.encode()
    with open(os.path.join(here, name + ".in"), "wb") as f:
        f.write(data)
    with open(os.path.join(here, name + ".want"), "wb") as f:
        for part in user_data.UserDataProcessor(Paths()).process(data).walk():
            if part.get_content_maintype() != "multipart":
                payload = util.fully_decoded_payload(part)
                if isinstance(payload, str):
                    payload = payload.encode("utf-8", "surrogateescape")
                f.write(b"==== " + part.get_content_type().encode() + b"\n" + payload)
