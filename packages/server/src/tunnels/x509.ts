// Makes certificates: an authority that may vouch only for certain names and addresses, and what it vouches for.
import { createHash, createPublicKey, type KeyObject, randomBytes, sign, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_nameConstraints,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  NameConstraints,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
} from "@peculiar/asn1-x509";

const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const COMMON_NAME = "2.5.4.3";
const V3 = 2;

export interface Issuer {
  readonly certificate: string;
  readonly key: KeyObject;
}

interface Parts {
  readonly subject: Name;
  readonly issuer: Name;
  readonly publicKey: KeyObject;
  readonly signingKey: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly Extension[];
}

/** PEM of an authority that vouches for itself, and else only for `names` with all names below them, and for the address ranges. */
export function makeAuthority(options: {
  readonly name: string;
  /** On the curve P-256. */
  readonly key: KeyObject;
  readonly names: readonly string[];
  readonly ranges: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
}): string {
  const { name, key, names, ranges, ...validity } = options;
  const permitted = [...names.map((dNSName) => new GeneralName({ dNSName })), ...ranges.map((iPAddress) => new GeneralName({ iPAddress }))];
  const publicKey = createPublicKey(key);
  const subject = commonName(name);
  return seal({
    ...validity,
    subject,
    issuer: subject,
    publicKey,
    signingKey: key,
    extensions: [
      extension(id_ce_basicConstraints, true, new BasicConstraints({ cA: true, pathLenConstraint: 0 })),
      extension(id_ce_keyUsage, true, new KeyUsage(KeyUsageFlags.keyCertSign)),
      extension(id_ce_extKeyUsage, false, new ExtendedKeyUsage([id_kp_serverAuth])),
      extension(
        id_ce_nameConstraints,
        true,
        new NameConstraints({ permittedSubtrees: new GeneralSubtrees(permitted.map((base) => new GeneralSubtree({ base }))) }),
      ),
      extension(id_ce_subjectKeyIdentifier, false, new SubjectKeyIdentifier(keyId(publicKey))),
    ],
  });
}

/** PEM of a certificate for one name or address. */
export function makeCertificate(
  { certificate, key }: Issuer,
  options: { readonly host: string; readonly publicKey: KeyObject; readonly notBefore: Date; readonly notAfter: Date },
): string {
  const { host, publicKey, ...validity } = options;
  const authority = new X509Certificate(certificate);
  const { subject: issuer } = AsnConvert.parse(authority.raw, Certificate).tbsCertificate;
  const alternative = new GeneralName(isIP(host) > 0 ? { iPAddress: host } : { dNSName: host });
  return seal({
    ...validity,
    subject: commonName("Lydian tunnel"),
    issuer,
    publicKey,
    signingKey: key,
    extensions: [
      extension(id_ce_basicConstraints, true, new BasicConstraints({ cA: false })),
      extension(id_ce_keyUsage, true, new KeyUsage(KeyUsageFlags.digitalSignature)),
      extension(id_ce_extKeyUsage, false, new ExtendedKeyUsage([id_kp_serverAuth])),
      extension(id_ce_subjectAltName, false, new SubjectAlternativeName([alternative])),
      extension(
        id_ce_authorityKeyIdentifier,
        false,
        new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyId(authority.publicKey)) }),
      ),
    ],
  });
}

function seal({ subject, issuer, publicKey, signingKey, notBefore, notAfter, extensions }: Parts): string {
  const algorithm = new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  // Positive, without leading zeros.
  const serial = randomBytes(16);
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0);
  const tbsCertificate = new TBSCertificate({
    version: V3,
    serialNumber: bytes(serial),
    signature: algorithm,
    issuer,
    validity: new Validity({ notBefore, notAfter }),
    subject,
    subjectPublicKeyInfo: AsnConvert.parse(spki(publicKey), SubjectPublicKeyInfo),
    extensions: new Extensions([...extensions]),
  });
  const signature = sign("sha256", Buffer.from(AsnConvert.serialize(tbsCertificate)), signingKey);
  const whole = new Certificate({ tbsCertificate, signatureAlgorithm: algorithm, signatureValue: bytes(signature) });
  const base64 = Buffer.from(AsnConvert.serialize(whole)).toString("base64");
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
}

function extension(extnID: string, critical: boolean, value: unknown): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

function commonName(text: string): Name {
  const attribute = new AttributeTypeAndValue({ type: COMMON_NAME, value: new AttributeValue({ utf8String: text }) });
  return new Name([new RelativeDistinguishedName([attribute])]);
}

const spki = (key: KeyObject): Buffer => key.export({ type: "spki", format: "der" });

const keyId = (key: KeyObject): ArrayBuffer => bytes(createHash("sha256").update(spki(key)).digest().subarray(0, 20));

const bytes = (data: Uint8Array): ArrayBuffer => new Uint8Array(data).buffer;
