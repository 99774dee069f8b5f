/** Recomputes every example of the protocol's vectors file to the byte, and verifies every signature in it. */

import { TypedDataEncoder, getAddress, getBytes, hexlify } from "ethers";
import * as client from "./client.mjs";

/**
 * Compares, and collects what disagrees under a name such as `codes[2].qr`. What can't even be computed disagrees
 * too, for whatever reason.
 */
class Report {
  checks = 0;
  disagreements = [];

  async same(name, expected, compute) {
    this.checks++;
    try {
      const value = await compute();
      const got = value instanceof Uint8Array ? hexlify(value) : value;
      if (got !== expected) this.disagreements.push({ name, expected, got });
    } catch (error) {
      this.disagreements.push({ name, expected, got: error.shortMessage ?? error.message });
    }
  }
}

export async function checkVectors(file) {
  const report = new Report();
  const where = { chainId: file.chainId, clearinghouse: file.clearinghouse };
  await report.same("domainSeparator", file.domainSeparator, () =>
    TypedDataEncoder.hashDomain(client.domain(where)),
  );
  const signers = await issuerAddresses(report, file.issuerKeys);
  for (const [index, example] of file.codes.entries()) {
    await checkCode(report, `codes[${index}]`, where, signers, example);
  }
  await checkBatch(report, "batch", where, signers, file.batch);
  return { checks: report.checks, disagreements: report.disagreements };
}

async function issuerAddresses(report, issuerKeys) {
  const signers = new Map();
  for (const [index, { issuer, keyId, address }] of issuerKeys.entries()) {
    await report.same(`issuerKeys[${index}].address`, address, () => getAddress(address));
    signers.set(`${issuer}/${keyId}`, address);
  }
  return signers;
}

async function checkCode(report, name, where, signers, example) {
  const { ticket: given, shownAt } = example;
  const fields = { ...given, riderKey: getBytes(given.riderKey) };
  const same = (what, expected, compute) => report.same(`${name}.${what}`, expected, compute);

  // From the fields to the bytes. Both signatures are taken over from the example, for they can't be made again
  // without the keys, and P-256's are random; whether they are right is seen further down.
  const issuerSignature = getBytes(example.ticketBytes).slice(-64);
  const riderSignature = getBytes(example.code).slice(-64);
  const ticket = { ...fields, issuerSignature };
  await same("ticket.version", given.version, () => 1);
  await same("ticket.rider", given.rider, () => client.riderOf(fields.riderKey));
  await same("ticketHash", example.ticketHash, () => client.ticketHash(where, fields));
  await same("ticketBytes", example.ticketBytes, () => client.encodeTicket(ticket));
  await same("code", example.code, () => client.encodeCode({ ticket, shownAt, riderSignature }));
  await same("qr", example.qr, () => client.qrText(getBytes(example.code)));

  // And back, from the QR text to every field.
  await same("qr (read)", example.code, () => client.readQrText(example.qr));
  await same("shownAt", shownAt, () => client.decodeCode(example.code).shownAt);
  for (const [field, value] of Object.entries(given)) {
    const isBytes = typeof value === "string";
    await same(`ticket.${field} (read)`, value, () => {
      const read = client.decodeTicket(example.ticketBytes)[field];
      return isBytes ? hexlify(read) : read;
    });
  }

  await same("issuer signature", signers.get(`${given.issuer}/${given.keyId}`) ?? "a listed issuer key", () =>
    client.ticketSigner(where, ticket),
  );
  await same("rider signature", true, () => client.riderHasSigned(where, client.decodeCode(example.code)));
}

async function checkBatch(report, name, where, signers, example) {
  const same = (what, expected, compute) => report.same(`${name}.${what}`, expected, compute);
  const { operator } = example;
  await same("operator", operator, () => client.decodeBatch(example.batch).operator);
  await same("batch", example.batch, () =>
    client.encodeBatch(operator, client.decodeBatch(example.batch).rides),
  );
  await same("batchId", example.batchId, () => client.batchId(example.batch));
  await same("signature", example.submitter, () =>
    client.batchSigner(where, operator, example.batch, example.signature),
  );
  let rides = [];
  await same("rides", true, () => (rides = client.decodeBatch(example.batch).rides).length > 0);
  for (const [index, ride] of rides.entries()) {
    const expected = signers.get(`${ride.issuer}/${ride.keyId}`) ?? "a listed issuer key";
    await same(`rides[${index}] issuer signature`, expected, () =>
      client.ticketSigner(where, { ...ride, operator }),
    );
  }
}
