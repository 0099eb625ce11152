"""Images of a registry that wants a login."""

import os
import sys

import modal

app = modal.App("private")


def secret(*names):
    return modal.Secret.from_dict({name: os.environ.get(name, "") for name in names})


aws = secret("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
gcp = secret("SERVICE_ACCOUNT_JSON")
IMAGE = os.environ.get("IMAGE", "")
folder = os.path.join(os.path.dirname(__file__), "context/bare")


@app.function(image=modal.Image.from_aws_ecr(IMAGE, aws, add_python="3.12"))
def ecr():
    return sys.version_info[:2]


@app.function(image=modal.Image.from_gcp_artifact_registry(IMAGE, gcp, add_python="3.13"))
def artifacts():
    return sys.version_info[:2]


# A kind that the newest client finds out by the names of the secret's variables, in a Dockerfile.
dockerfile = modal.Image.from_dockerfile if modal.is_local() else None
if dockerfile is not None and "REGISTRY_SECRET" in os.environ:
    image = dockerfile(f"{folder}/Dockerfile", context_dir=folder, build_args={"BARE": IMAGE}, registry_secret=aws, add_python="3.12")
else:
    image = modal.Image.from_aws_ecr(IMAGE, aws, add_python="3.12")


@app.function(image=image)
def inferred():
    return sys.version_info[:2], os.path.exists("/words.txt")


@app.local_entrypoint()
def main():
    print("ecr =", ecr.remote())
    print("artifacts =", artifacts.remote())
    print("inferred =", inferred.remote())
