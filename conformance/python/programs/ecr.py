"""What Amazon's service for logins of its registries answers. Whether a request is signed rightly, botocore says."""

import base64
import http.server
import json

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEYS = {"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}


class Service(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        said = dict(part.split("=", 1) for part in self.headers["authorization"].split(" ", 1)[1].split(", "))
        key, date, region, service, _ = said["Credential"].split("/")
        signed = said["SignedHeaders"].split(";")
        request = AWSRequest("POST", f"http://{self.headers['host']}{self.path}", {name: self.headers[name] for name in signed}, body)
        request.context["timestamp"] = self.headers["x-amz-date"]
        auth = SigV4Auth(Credentials(key, KEYS.get(key, "another")), service, region)
        signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        asked = (service, region, self.headers["x-amz-target"], json.loads(body))
        if asked != ("ecr", "eu-central-1", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken", {}):
            return self.answer(400, {"__type": "com.amazon.coral.service#UnknownOperationException", "message": str(asked)})
        if signature != said["Signature"] or not {"host", "x-amz-date", "x-amz-target"} <= set(signed):
            return self.answer(400, {"__type": "InvalidSignatureException", "message": "The signature is another one."})
        token = base64.b64encode(b"AWS:open sesame").decode()
        self.answer(200, {"authorizationData": [{"authorizationToken": token}]})

    def answer(self, status, content):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


server = http.server.HTTPServer(("127.0.0.1", 0), Service)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
