/**
 * A client of Interline's protocol, version 1, that shares no line with Interline's own.
 *
 * Written from the protocol's text alone, with ethers for everything of the EVM and WebCrypto for the riders'
 * P-256 keys. The numbers in brackets are the protocol's sections. Bytes are Uint8Array, times are Unix seconds,
 * money is in fen.
 */

import {
  Contract,
  JsonRpcProvider,
  Signature,
  SigningKey,
  TypedDataEncoder,
  Wallet,
  concat,
  getBytes,
  hexlify,
  keccak256,
  recoverAddress,
  toUtf8Bytes,
} from "ethers";

const { subtle } = globalThis.crypto;

export class ProtocolError extends Error {}

function check(condition, message) {
  if (!condition) throw new ProtocolError(message);
}

// -----------------------------------------------------------------------------------------------------------
// Bytes: integers are unsigned and big-endian
// -----------------------------------------------------------------------------------------------------------

function uint(name, value, size) {
  const fits = Number.isSafeInteger(value) && value >= 0 && value < 256 ** size;
  check(fits, `${name}: expected an integer of ${size} bytes, got ${value}`);
  return getBytes("0x" + value.toString(16).padStart(2 * size, "0"));
}

function fixed(name, value, size) {
  const data = getBytes(value);
  check(data.length === size, `${name}: expected ${size} bytes, got ${data.length}`);
  return data;
}

function join(...parts) {
  return getBytes(concat(parts));
}

class Reader {
  constructor(name, data) {
    this.name = name;
    this.data = getBytes(data);
    this.offset = 0;
  }

  get left() {
    return this.data.length - this.offset;
  }

  bytes(size) {
    check(this.left >= size, `${this.name}: expected ${size} bytes at ${this.offset}, got ${this.left}`);
    this.offset += size;
    return this.data.slice(this.offset - size, this.offset);
  }

  uint(size) {
    return this.bytes(size).reduce((value, byte) => value * 256 + byte, 0);
  }

  end() {
    check(this.left === 0, `${this.name}: ${this.left} bytes too many`);
  }
}

// -----------------------------------------------------------------------------------------------------------
// Base45 (RFC 9285) and the QR text [3]
// -----------------------------------------------------------------------------------------------------------

const BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const QR_PREFIX = "IL1:";

export function base45Encode(data) {
  let text = "";
  for (let i = 0; i < data.length; i += 2) {
    const isPair = i + 1 < data.length;
    let value = isPair ? data[i] * 256 + data[i + 1] : data[i];
    for (let digit = 0; digit < (isPair ? 3 : 2); digit++) {
      text += BASE45[value % 45];
      value = Math.floor(value / 45);
    }
  }
  return text;
}

export function base45Decode(text) {
  const bytes = [];
  for (let i = 0; i < text.length; i += 3) {
    const chunk = text.slice(i, i + 3);
    check(chunk.length > 1, "base45: one character is left over");
    let value = 0;
    for (const character of [...chunk].reverse()) {
      const digit = BASE45.indexOf(character);
      check(digit >= 0, `base45: ${JSON.stringify(character)} is not in the alphabet`);
      value = value * 45 + digit;
    }
    check(value < (chunk.length === 3 ? 65536 : 256), `base45: ${JSON.stringify(chunk)} is too large`);
    bytes.push(...(chunk.length === 3 ? [value >> 8, value & 255] : [value]));
  }
  return Uint8Array.from(bytes);
}

export function qrText(codeBytes) {
  return QR_PREFIX + base45Encode(codeBytes);
}

/** The bytes behind a QR text; only line ends are stripped, for base45 may end in a space. */
export function readQrText(text) {
  const stripped = text.replace(/[\r\n]+$/, "");
  check(stripped.startsWith(QR_PREFIX), `QR text: expected ${QR_PREFIX} at its start`);
  return base45Decode(stripped.slice(QR_PREFIX.length));
}

// -----------------------------------------------------------------------------------------------------------
// Rider keys: P-256 [1, 2]
// -----------------------------------------------------------------------------------------------------------

const P256_P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const P256_B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const ECDSA_P256 = { name: "ECDSA", namedCurve: "P-256" };
const ECDSA_SHA256 = { name: "ECDSA", hash: "SHA-256" };

function power(base, exponent, modulus) {
  let result = 1n;
  for (let square = base % modulus; exponent > 0n; exponent >>= 1n, square = (square * square) % modulus) {
    if (exponent & 1n) result = (result * square) % modulus;
  }
  return result;
}

/** x || y (64 bytes) of a compressed SEC 1 point (33 bytes). */
export function decompressPoint(compressed) {
  const data = fixed("rider key", compressed, 33);
  check(data[0] === 2 || data[0] === 3, `rider key: expected 2 or 3 as its first byte, got ${data[0]}`);
  const x = BigInt(hexlify(data.slice(1)));
  check(x < P256_P, "rider key: x is not below the field's prime");
  const square = (((x * x * x - 3n * x + P256_B) % P256_P) + P256_P) % P256_P;
  let y = power(square, (P256_P + 1n) / 4n, P256_P);
  check((y * y) % P256_P === square, "rider key: no point of P-256 has this x");
  if (Number(y & 1n) !== (data[0] & 1)) y = P256_P - y;
  return join(data.slice(1), "0x" + y.toString(16).padStart(64, "0"));
}

function compressPoint(xy) {
  return join(Uint8Array.of(2 + (xy[63] & 1)), xy.slice(0, 32));
}

/** The `rider` of EIP-712 tickets and of rides: the last 20 bytes of keccak256(x || y). */
export function riderOf(compressed) {
  return getBytes(keccak256(decompressPoint(compressed))).slice(12);
}

/** A new rider key, as { publicKey: 33 bytes, privateKey: a JWK }. */
export async function newRiderKey() {
  const pair = await subtle.generateKey(ECDSA_P256, true, ["sign", "verify"]);
  const raw = new Uint8Array(await subtle.exportKey("raw", pair.publicKey)); // 4 || x || y
  return {
    publicKey: compressPoint(raw.slice(1)),
    privateKey: await subtle.exportKey("jwk", pair.privateKey),
  };
}

async function riderSign(jwk, message) {
  const key = await subtle.importKey("jwk", jwk, ECDSA_P256, false, ["sign"]);
  return new Uint8Array(await subtle.sign(ECDSA_SHA256, key, message));
}

async function riderVerify(compressed, message, signature) {
  const raw = join(Uint8Array.of(4), decompressPoint(compressed));
  const key = await subtle.importKey("raw", raw, ECDSA_P256, false, ["verify"]);
  return subtle.verify(ECDSA_SHA256, key, signature, message);
}

// -----------------------------------------------------------------------------------------------------------
// secp256k1 signatures over EIP-712 digests, in EIP-2098's compact form [2, 5]
// -----------------------------------------------------------------------------------------------------------

export function domain({ chainId, clearinghouse }) {
  return { name: "Interline", version: "1", chainId, verifyingContract: clearinghouse };
}

const TICKET_TYPE = {
  Ticket: [
    { name: "issuer", type: "uint16" },
    { name: "keyId", type: "uint8" },
    { name: "operator", type: "uint16" },
    { name: "serial", type: "uint40" },
    { name: "notAfter", type: "uint32" },
    { name: "fareCap", type: "uint32" },
    { name: "rider", type: "bytes20" },
  ],
};

const BATCH_TYPE = {
  Batch: [
    { name: "operator", type: "uint16" },
    { name: "batchId", type: "bytes32" },
  ],
};

function signCompact(privateKey, digest) {
  return getBytes(new SigningKey(privateKey).sign(digest).compactSerialized); // ethers' s is in the lower half
}

/** The signer's address, checksummed; null where the 64 bytes are nobody's signature. */
export function recover(digest, signature) {
  try {
    return recoverAddress(digest, Signature.from(hexlify(fixed("signature", signature, 64))));
  } catch {
    return null;
  }
}

// -----------------------------------------------------------------------------------------------------------
// Tickets [2]
// -----------------------------------------------------------------------------------------------------------

export function ticketHash(where, { issuer, keyId, operator, serial, notAfter, fareCap, rider }) {
  const message = { issuer, keyId, operator, serial, notAfter, fareCap, rider: hexlify(rider) };
  return getBytes(TypedDataEncoder.hash(domain(where), TICKET_TYPE, message));
}

export function encodeTicket(ticket) {
  check(ticket.issuer !== ticket.operator, "ticket: the operator is the issuer itself");
  decompressPoint(ticket.riderKey); // a ticket for a key that is no point would be refused everywhere
  return join(
    uint("version", 1, 1),
    uint("issuer", ticket.issuer, 2),
    uint("keyId", ticket.keyId, 1),
    uint("operator", ticket.operator, 2),
    uint("serial", ticket.serial, 5),
    uint("notAfter", ticket.notAfter, 4),
    uint("fareCap", ticket.fareCap, 4),
    fixed("riderKey", ticket.riderKey, 33),
    fixed("issuerSignature", ticket.issuerSignature, 64),
  );
}

export function decodeTicket(data) {
  const reader = new Reader("ticket", data);
  const version = reader.uint(1);
  check(version === 1, `ticket: expected version 1, got ${version}`);
  const ticket = {
    version,
    issuer: reader.uint(2),
    keyId: reader.uint(1),
    operator: reader.uint(2),
    serial: reader.uint(5),
    notAfter: reader.uint(4),
    fareCap: reader.uint(4),
    riderKey: reader.bytes(33),
    issuerSignature: reader.bytes(64),
  };
  reader.end();
  check(ticket.issuer !== ticket.operator, "ticket: the operator is the issuer itself");
  return { ...ticket, rider: riderOf(ticket.riderKey) };
}

/** A signed ticket from its fields, `riderKey` included. */
export function issueTicket(where, issuerKey, fields) {
  const rider = riderOf(fields.riderKey);
  const digest = ticketHash(where, { ...fields, rider });
  return { ...fields, version: 1, rider, issuerSignature: signCompact(issuerKey, digest) };
}

export function ticketSigner(where, ticket) {
  return recover(ticketHash(where, ticket), ticket.issuerSignature);
}

// -----------------------------------------------------------------------------------------------------------
// Codes [3]
// -----------------------------------------------------------------------------------------------------------

const TICKET_BYTES = 116;

function codeMessage(where, ticket, shownAt) {
  return join(toUtf8Bytes("Interline code v1"), ticketHash(where, ticket), uint("shownAt", shownAt, 4));
}

export async function showCode(where, ticket, riderPrivateKey, shownAt) {
  const riderSignature = await riderSign(riderPrivateKey, codeMessage(where, ticket, shownAt));
  return { ticket, shownAt, riderSignature };
}

export function encodeCode({ ticket, shownAt, riderSignature }) {
  return join(encodeTicket(ticket), uint("shownAt", shownAt, 4), fixed("riderSignature", riderSignature, 64));
}

export function decodeCode(data) {
  const reader = new Reader("code", data);
  const code = {
    ticket: decodeTicket(reader.bytes(TICKET_BYTES)),
    shownAt: reader.uint(4),
    riderSignature: reader.bytes(64),
  };
  reader.end();
  return code;
}

export function riderHasSigned(where, { ticket, shownAt, riderSignature }) {
  return riderVerify(ticket.riderKey, codeMessage(where, ticket, shownAt), riderSignature);
}

// -----------------------------------------------------------------------------------------------------------
// Rides and batches [5]
// -----------------------------------------------------------------------------------------------------------

const MAX_RIDES = 1000;

/** The ride of a ticket; the fare is the lower of the tariff's and the ticket's cap. */
export function rideOf(ticket, { entryStation, exitStation, enteredAt, exitedAt, fare }) {
  const { issuer, keyId, serial, notAfter, fareCap, rider, issuerSignature } = ticket;
  return {
    ...{ issuer, keyId, serial, notAfter, fareCap, rider, issuerSignature },
    ...{ entryStation, exitStation, enteredAt, exitedAt, fare: Math.min(fare, fareCap) },
  };
}

export function encodeRide(ride) {
  return join(
    uint("serial", ride.serial, 5),
    uint("notAfter", ride.notAfter, 4),
    uint("fareCap", ride.fareCap, 4),
    fixed("rider", ride.rider, 20),
    uint("entryStation", ride.entryStation, 2),
    uint("exitStation", ride.exitStation, 2),
    uint("enteredAt", ride.enteredAt, 4),
    uint("exitedAt", ride.exitedAt, 4),
    uint("fare", ride.fare, 4),
    fixed("issuerSignature", ride.issuerSignature, 64),
  );
}

function decodeRide(reader) {
  return {
    serial: reader.uint(5),
    notAfter: reader.uint(4),
    fareCap: reader.uint(4),
    rider: reader.bytes(20),
    entryStation: reader.uint(2),
    exitStation: reader.uint(2),
    enteredAt: reader.uint(4),
    exitedAt: reader.uint(4),
    fare: reader.uint(4),
    issuerSignature: reader.bytes(64),
  };
}

function compareRides(a, b) {
  return a.issuer - b.issuer || a.keyId - b.keyId || a.serial - b.serial;
}

/** What a batch must be whether it is written or read: `rides` is flat, in the batch's order. */
function checkBatch(operator, rides) {
  const count = rides.length;
  check(count >= 1 && count <= MAX_RIDES, `batch: expected 1 to ${MAX_RIDES} rides, got ${count}`);
  rides.forEach((ride, index) => {
    check(ride.issuer !== operator, `batch: the issuer of ride ${index} is the operator`);
    const ascends = index === 0 || compareRides(rides[index - 1], ride) < 0;
    check(ascends, `batch: ride ${index} does not come after the one before it`);
  });
}

/** The bytes of a batch; `rides` come in any order, each with its issuer and keyId. */
export function encodeBatch(operator, rides) {
  const sorted = [...rides].sort(compareRides);
  checkBatch(operator, sorted);
  const parts = [uint("operator", operator, 2)];
  for (let start = 0, end; start < sorted.length; start = end) {
    const { issuer, keyId } = sorted[start];
    end = sorted.findIndex((ride, i) => i > start && (ride.issuer !== issuer || ride.keyId !== keyId));
    if (end < 0) end = sorted.length;
    parts.push(uint("issuer", issuer, 2), uint("keyId", keyId, 1), uint("count", end - start, 2));
    parts.push(...sorted.slice(start, end).map(encodeRide));
  }
  return join(...parts);
}

export function decodeBatch(data) {
  const reader = new Reader("batch", data);
  const operator = reader.uint(2);
  const rides = [];
  let last = -1;
  while (reader.left > 0) {
    const group = { issuer: reader.uint(2), keyId: reader.uint(1) };
    const order = group.issuer * 256 + group.keyId;
    check(order > last, "batch: its groups do not ascend"); // nor is one key's group split in two
    last = order;
    const count = reader.uint(2);
    check(count >= 1, "batch: a group without rides");
    for (let i = 0; i < count; i++) rides.push({ ...group, ...decodeRide(reader) });
  }
  checkBatch(operator, rides);
  return { operator, rides };
}

export function batchId(batch) {
  return getBytes(keccak256(batch));
}

function batchDigest(where, operator, batch) {
  const message = { operator, batchId: hexlify(batchId(batch)) };
  return getBytes(TypedDataEncoder.hash(domain(where), BATCH_TYPE, message));
}

export function signBatch(where, submitterKey, operator, batch) {
  return signCompact(submitterKey, batchDigest(where, operator, batch));
}

export function batchSigner(where, operator, batch, signature) {
  return recover(batchDigest(where, operator, batch), signature);
}

// -----------------------------------------------------------------------------------------------------------
// The chain [6, 7]
// -----------------------------------------------------------------------------------------------------------

export const REASONS = [
  "BadIssuerSignature",
  "TicketExpired",
  "AboveFareCap",
  "AlreadySettled",
  "BadTimes",
  "TooLate",
  "KeyNotValid",
  "IssuerSuspended",
  "OperatorSuspended",
]; // reason 1 is the first

const MAX_BATCH_GAS = 15_000_000n;

const CLEARINGHOUSE_ABI = [
  "function settle(bytes batch, bytes signature) returns (bytes32 batchId, uint256 settled, uint256 rejected)",
  "function batches(bytes32 batchId) view returns (uint16 operator, uint40 settledAt, bytes25 outcome)",
  "event BatchSettled(bytes32 indexed batchId, uint16 indexed operator, uint256 settled, uint256 rejected, uint256 fares)",
  "event PairSettled(bytes32 indexed batchId, uint16 indexed issuer, uint16 indexed operator, uint256 rides, uint256 fares, uint256 paid)",
  "event RideRejected(bytes32 indexed batchId, uint256 index, uint8 reason)",
  "error BatchAlreadySettled(bytes32 batchId)",
];

/** What `batches` holds for a batch with these refused rides, each [index, reason], ascending. */
export function outcome(refused) {
  if (refused.length === 0) return new Uint8Array(25);
  const parts = refused.map(([index, reason]) => join(uint("index", index, 2), uint("reason", reason, 1)));
  return getBytes(keccak256(concat(parts))).slice(0, 25);
}

/** The chain refused a batch as a whole; `data` is the custom error's, `error` its name where that is known. */
export class BatchRefused extends Error {
  constructor(name, data) {
    super(`the batch is refused: ${name ?? data}`);
    this.error = name;
    this.data = data;
  }
}

/** Sends a batch at gas price 0, waits for its receipt, and reads back what has become of each ride. */
export async function settle({ chainId, clearinghouse, rpc, relayerKey, batch, signature }) {
  const provider = new JsonRpcProvider(rpc, chainId, { staticNetwork: true, pollingInterval: 100 });
  try {
    const chainIs = Number(await provider.send("eth_chainId", []));
    check(chainIs === chainId, `expected chain ${chainId} at the RPC, got ${chainIs}`);
    const contract = new Contract(clearinghouse, CLEARINGHOUSE_ABI, new Wallet(relayerKey, provider));
    const receipt = await sendBatch(contract, batch, signature);
    return await readReceipt(contract, receipt, batchId(batch));
  } finally {
    provider.destroy();
  }
}

async function sendBatch(contract, batch, signature) {
  try {
    const needed = await contract.settle.estimateGas(batch, signature, { gasPrice: 0 });
    check(needed <= MAX_BATCH_GAS, `batch: it would take ${needed} gas, more than ${MAX_BATCH_GAS}`);
    const roomy = needed + needed / 5n;
    const gasLimit = roomy < MAX_BATCH_GAS ? roomy : MAX_BATCH_GAS;
    const transaction = await contract.settle(batch, signature, { type: 0, gasPrice: 0, gasLimit });
    return await transaction.wait();
  } catch (error) {
    if (error.code !== "CALL_EXCEPTION") throw error;
    const data = error.data ?? "0x"; // nothing, where it was the transaction that failed and not its estimate
    const known = data.length >= 10 ? contract.interface.parseError(data) : null;
    throw new BatchRefused(known?.name ?? null, data);
  }
}

async function readReceipt(contract, receipt, id) {
  const events = receipt.logs
    .filter((log) => log.address === contract.target)
    .map((log) => contract.interface.parseLog(log))
    .filter((event) => event !== null)
    .map((event) => ({ event: event.name, ...event.args.toObject() }));
  const stored = (await contract.batches(id)).toObject();
  const refused = events
    .filter(({ event }) => event === "RideRejected")
    .map(({ index, reason }) => [Number(index), Number(reason)]);
  if (stored.operator !== 0n) {
    check(
      hexlify(outcome(refused)) === stored.outcome,
      "batches: its outcome is not that of the receipt's events",
    );
  }
  return { tx: receipt.hash, gasUsed: receipt.gasUsed, events, stored, refused };
}
