// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {IClearinghouse} from "../interfaces/IClearinghouse.sol";
import {BatchCodec} from "./BatchCodec.sol";
import {ProtocolHashes} from "./ProtocolHashes.sol";
import {RideRules} from "./RideRules.sol";
import {SerialBitmap} from "./SerialBitmap.sol";

/// @title The loop over a batch's rides
/// @notice Checks each ride's signature and ranges in assembly; what falls out of them is judged by {RideRules}.
/// @dev The loop works at fixed addresses, which {open} takes out of Solidity's free memory (to name a constant address
/// costs 3 gas, to derive one 9):
///
///     0x600  the EIP-712 struct of the ticket: type hash, issuer, keyId, operator, serial, notAfter, fareCap, rider
///     0x71e  what its digest is made from: 0x1901, the domain separator, the struct's hash
///     0x760  ecrecover's input: digest, v, r, s; the address that it recovers is written over the digest
///     0x7e0  the first six fields of {RideRules.Terms}: key, entryFrom, entrySpan, exitFrom, exitSpan, maxFare
///     0x8a0  the batch's bytes, then room for a refusal of each of its rides
library RideLoop {
    /// @notice A batch while it is settled. `cursor`, `end` and `refusedUntil` are addresses in memory.
    struct Run {
        bytes32 batchId;
        uint256 operator;
        uint256 cursor;
        uint256 end; // of the batch; the refusals begin here
        uint256 refusedUntil;
        uint256 rides; // before the present group
        uint256 issuer; // of the present group
        uint256 keyId; // of the present group
        uint256 count; // of the present group's rides
    }

    /// @dev Where the walk over a group's rides stands.
    struct Walk {
        uint256 ride; // address of the next ride
        uint256 last; // address behind the group's last ride
        uint256 nextSerial; // the lowest that may follow
        uint256 pageEnd; // the first serial behind the 256 of the present storage word; 0 before the first word
        bytes32 slot; // of the present storage word
        uint256 bits; // the present storage word
        uint256 fares; // of the rides settled so far, fen
    }

    uint256 private constant BATCH_AT = 0x8a0;
    uint256 private constant REFUSAL_BYTES = 3;

    /// @notice Takes the fixed addresses, copies the batch to memory and hashes it.
    /// @dev Must come before anything that takes memory beyond 0x600.
    function open(bytes calldata batch, bytes32 domainSeparator) internal pure returns (Run memory run) {
        if (batch.length < BatchCodec.OPERATOR_BYTES + BatchCodec.GROUP_HEADER_BYTES) {
            revert IClearinghouse.MalformedBatch(batch.length);
        }
        bytes32 typehash = ProtocolHashes.TICKET_TYPEHASH;
        bytes32 batchId;
        assembly ("memory-safe") {
            // What is taken here must not be in use.
            if gt(mload(0x40), 0x600) {
                invalid()
            }
            // Solidity goes on behind the longest list of refusals: 3 bytes for every ride of 113.
            mstore(0x40, and(add(add(BATCH_AT, batch.length), add(div(batch.length, 37), 63)), not(31)))
            mstore(0x600, typehash)
            mstore(0x720, domainSeparator)
            mstore8(0x71e, 0x19)
            mstore8(0x71f, 0x01)
            calldatacopy(BATCH_AT, batch.offset, batch.length)
            batchId := keccak256(BATCH_AT, batch.length)
        }
        run.batchId = batchId;
        run.operator = BatchCodec.operatorOf(batch);
        run.cursor = BATCH_AT + BatchCodec.OPERATOR_BYTES;
        run.end = BATCH_AT + batch.length;
        run.refusedUntil = run.end;
    }

    /// @notice Moves on to the next group, and makes sure that its rides are all there.
    function nextGroup(Run memory run) internal pure {
        uint256 left = run.end - run.cursor;
        if (left < BatchCodec.GROUP_HEADER_BYTES) revert IClearinghouse.MalformedBatch(_offset(run.cursor));
        uint256 before = (run.issuer << 8) | run.keyId;
        (run.issuer, run.keyId, run.count) = BatchCodec.groupAt(run.cursor);
        if (run.rides != 0 && ((run.issuer << 8) | run.keyId) <= before) {
            revert IClearinghouse.OutOfOrder(_offset(run.cursor));
        }
        if (run.count == 0 || left < BatchCodec.GROUP_HEADER_BYTES + run.count * BatchCodec.RIDE_BYTES)
            revert IClearinghouse.MalformedBatch(_offset(run.cursor));
        if (run.issuer == run.operator) revert IClearinghouse.OwnTickets(uint16(run.issuer));
        if (run.rides + run.count > BatchCodec.MAX_RIDES) {
            revert IClearinghouse.TooManyRides(run.rides + run.count, BatchCodec.MAX_RIDES);
        }
        run.cursor += BatchCodec.GROUP_HEADER_BYTES;
    }

    /// @notice Settles the rides of the present group, and moves the cursor behind them.
    /// @return settled How many rides settled.
    /// @return fares What they cost together, fen.
    function settleGroup(
        Run memory run,
        RideRules.Terms memory terms,
        SerialBitmap.Bitmap storage bitmap
    ) internal returns (uint256 settled, uint256 fares) {
        _layOut(run, terms);
        uint256 refusedBefore = run.refusedUntil;
        Walk memory walk;
        walk.ride = run.cursor;
        walk.last = run.cursor + run.count * BatchCodec.RIDE_BYTES;
        while (walk.ride != walk.last) {
            uint256 serial = BatchCodec.serialAt(walk.ride);
            if (serial < walk.nextSerial) revert IClearinghouse.OutOfOrder(_offset(walk.ride));
            if (serial >= walk.pageEnd) {
                if (walk.pageEnd != 0) SerialBitmap.store(walk.slot, walk.bits);
                walk.slot = SerialBitmap.slotOf(bitmap, run.issuer, run.operator, serial);
                walk.bits = SerialBitmap.load(walk.slot);
                walk.pageEnd = (serial | 0xff) + 1;
            }
            if (_settlePlainRides(walk)) {
                uint256 bit = SerialBitmap.bitOf(BatchCodec.serialAt(walk.ride));
                uint256 reason = _judge(terms, walk.ride, walk.bits & bit != 0);
                if (reason == RideRules.SETTLES) {
                    walk.bits |= bit;
                    walk.fares += BatchCodec.fareAt(walk.ride);
                } else {
                    _refuse(run, run.rides + run.count - (walk.last - walk.ride) / BatchCodec.RIDE_BYTES, reason);
                }
                walk.nextSerial = BatchCodec.serialAt(walk.ride) + 1;
                walk.ride += BatchCodec.RIDE_BYTES;
            }
        }
        SerialBitmap.store(walk.slot, walk.bits);
        run.rides += run.count;
        run.cursor = walk.last;
        return (run.count - (run.refusedUntil - refusedBefore) / REFUSAL_BYTES, walk.fares);
    }

    /// @dev Settles rides as long as their serials ascend within the present page and nothing is unusual about them.
    /// @return unusual Whether it stopped at a ride whose signature was checked but that fell out of the ranges; else it
    /// stopped at the group's end, or at a serial that isn't of this page.
    function _settlePlainRides(Walk memory walk) private view returns (bool unusual) {
        uint256 ride = walk.ride;
        uint256 last = walk.last;
        uint256 nextSerial = walk.nextSerial;
        uint256 pageEnd = walk.pageEnd;
        uint256 bits = walk.bits;
        uint256 fares = walk.fares;
        assembly ("memory-safe") {
            for {} lt(ride, last) {} {
                let head := mload(ride) // serial (5) notAfter (4) fareCap (4) rider (19 of 20)
                let serial := shr(216, head)
                if iszero(lt(sub(serial, nextSerial), sub(pageEnd, nextSerial))) {
                    break
                } // not ascending, or a new page
                let notAfter := and(shr(184, head), 0xffffffff)
                let fareCap := and(shr(152, head), 0xffffffff)

                // The ticket's struct; type hash, issuer, keyId and operator stand there already.
                mstore(0x680, serial)
                mstore(0x6a0, notAfter)
                mstore(0x6c0, fareCap)
                mstore(0x6e0, shl(96, mload(add(ride, 1)))) // rider: 20 bytes, left-aligned
                mstore(0x740, keccak256(0x600, 0x100)) // the struct's hash
                mstore(0x760, keccak256(0x71e, 0x42)) // the digest

                // The issuer's signature: r, then yParity in the top bit of s.
                mstore(0x7a0, mload(add(ride, 49)))
                let vs := mload(add(ride, 81))
                mstore(0x780, add(27, shr(255, vs)))
                mstore(0x7c0, shr(1, shl(1, vs)))
                // Where nobody can be recovered from a signature the digest stays, and no key equals it.
                pop(staticcall(gas(), 1, 0x760, 0x80, 0x760, 0x20))

                let tail := mload(add(ride, 33)) // entry- and exitStation (2 + 2) enteredAt (4) exitedAt (4) fare (4) ...
                let enteredAt := and(shr(192, tail), 0xffffffff)
                let exitedAt := and(shr(160, tail), 0xffffffff)
                let fare := and(shr(128, tail), 0xffffffff)
                let bit := shl(and(serial, 0xff), 1)
                if iszero(
                    and(
                        eq(mload(0x760), mload(0x7e0)), // the registered key signed
                        and(
                            lt(sub(enteredAt, mload(0x800)), mload(0x820)), // key and issuer were good at the entry
                            and(
                                lt(sub(exitedAt, mload(0x840)), mload(0x860)), // neither too late nor in the future
                                and(
                                    lt(sub(sub(exitedAt, enteredAt), 1), 86400), // two times, at most 24 h apart
                                    iszero(
                                        or(
                                            gt(enteredAt, notAfter), // expired
                                            or(
                                                gt(fare, fareCap), // above the ticket's cap
                                                or(gt(fare, mload(0x880)), and(bits, bit)) // above maxFare; spent
                                            )
                                        )
                                    )
                                )
                            )
                        )
                    )
                ) {
                    unusual := 1
                    break
                }
                bits := or(bits, bit)
                fares := add(fares, fare)
                nextSerial := add(serial, 1)
                ride := add(ride, 113)
            }
        }
        walk.ride = ride;
        walk.nextSerial = nextSerial;
        walk.bits = bits;
        walk.fares = fares;
    }

    /// @notice Whether the next group is the same issuer's, signed with another key.
    function hasMoreOfIssuer(Run memory run) internal pure returns (bool) {
        if (run.end - run.cursor < BatchCodec.GROUP_HEADER_BYTES) return false;
        (uint256 issuer, , ) = BatchCodec.groupAt(run.cursor);
        return issuer == run.issuer;
    }

    /// @notice What a batch leaves on chain of its refused rides: 0 if there are none, else the first 25 bytes of
    /// keccak256 over index (2) || reason (1) of each.
    function outcome(Run memory run) internal pure returns (bytes25 hash) {
        uint256 from = run.end;
        uint256 until = run.refusedUntil;
        if (from == until) return 0;
        bytes32 whole;
        assembly ("memory-safe") {
            whole := keccak256(from, sub(until, from))
        }
        return bytes25(whole);
    }

    /// @dev Lays out, at the fixed addresses, what is the same for all rides of a group.
    function _layOut(Run memory run, RideRules.Terms memory terms) private pure {
        (uint256 issuer, uint256 keyId, uint256 operator) = (run.issuer, run.keyId, run.operator);
        assembly ("memory-safe") {
            mstore(0x620, issuer)
            mstore(0x640, keyId)
            mstore(0x660, operator)
            mcopy(0x7e0, terms, 0xc0)
        }
    }

    /// @dev The reason for a ride that fell out of the loop's ranges; the loop has left what it recovered at 0x760.
    function _judge(RideRules.Terms memory terms, uint256 ride, bool spent) private pure returns (uint256 reason) {
        uint256 recovered;
        uint256 free;
        assembly ("memory-safe") {
            recovered := mload(0x760)
            free := mload(0x40)
        }
        reason = RideRules.reasonFor(terms, BatchCodec.rideAt(ride), recovered == terms.key, spent);
        assembly ("memory-safe") {
            mstore(0x40, free) // the decoded ride isn't needed any more
        }
    }

    /// @dev Reports a refused ride, and adds it to the list that the outcome is made from.
    function _refuse(Run memory run, uint256 index, uint256 reason) private {
        uint256 end = run.refusedUntil;
        assembly ("memory-safe") {
            mstore8(end, shr(8, index))
            mstore8(add(end, 1), index)
            mstore8(add(end, 2), reason)
        }
        run.refusedUntil = end + REFUSAL_BYTES;
        emit IClearinghouse.RideRejected(run.batchId, index, uint8(reason));
    }

    function _offset(uint256 pointer) private pure returns (uint256) {
        return pointer - BATCH_AT;
    }
}
