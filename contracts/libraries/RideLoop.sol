// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

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
/// (the constants below have these numbers, and a test holds the structs to them)
///
///     0x600  the EIP-712 struct of the ticket: type hash, issuer, keyId, operator, serial, notAfter, fareCap, rider
///     0x71e  what its digest is made from: 0x1901, the domain separator, the struct's hash
///     0x760  ecrecover's input: digest, v, r, s; the address that it recovers is written over the digest
///     0x76f  the present ride's bytes, so that its r and s stand where ecrecover wants them:
///            serial 0x76f, notAfter 0x774, fareCap 0x778, rider 0x77c, entryStation 0x790, exitStation 0x792,
///            enteredAt 0x794, exitedAt 0x798, fare 0x79c, r 0x7a0, yParity and s 0x7c0
///     0x7e0  {RideRules.Terms}, of which the loop looks at the first three: key, lowest, highest
///     0xa80  {Run}
///     0xba0  the batch's bytes; 32 more, of which 5 are the serial 0 behind the last ride; a refusal of each ride
library RideLoop {
    /// @notice A batch while it is settled. `cursor`, `end` and `refusedUntil` are addresses in memory.
    struct Run {
        bytes32 batchId;
        uint256 operator;
        uint256 cursor;
        uint256 end; // of the batch
        uint256 refusedUntil;
        uint256 rides; // before the present group
        uint256 issuer; // of the present group
        uint256 keyId; // of the present group
        uint256 count; // of the present group's rides
    }

    // The EIP-712 struct of the ticket, and its fields.
    uint256 private constant TICKET_AT = 0x600;
    uint256 private constant TICKET_ISSUER_AT = 0x620;
    uint256 private constant TICKET_KEY_ID_AT = 0x640;
    uint256 private constant TICKET_OPERATOR_AT = 0x660;
    uint256 private constant TICKET_SERIAL_AT = 0x680;
    uint256 private constant TICKET_NOT_AFTER_AT = 0x6a0; // each in a word of 32 bytes, whose last ones it takes
    uint256 private constant TICKET_FARE_CAP_AT = 0x6c0;
    uint256 private constant TICKET_RIDER_AT = 0x6e0;
    uint256 private constant TICKET_BYTES = 0x100;
    // What the ticket's digest is made from.
    uint256 private constant PREFIX_AT = 0x71e;
    uint256 private constant DOMAIN_AT = 0x720;
    uint256 private constant TICKET_HASH_AT = 0x740;
    uint256 private constant PREFIXED_BYTES = 0x42;
    // The input of ecrecover, whose output is written over the digest.
    uint256 private constant DIGEST_AT = 0x760;
    uint256 private constant V_AT = 0x780;
    uint256 private constant S_AT = 0x7c0;
    uint256 private constant RECOVERED_AT = 0x760;
    // The present ride, and its fields.
    uint256 private constant RIDE_AT = 0x76f;
    uint256 private constant NOT_AFTER_AT = 0x774;
    uint256 private constant FARE_CAP_AT = 0x778;
    uint256 private constant ENTERED_AT = 0x794;
    uint256 private constant EXITED_AT = 0x798;
    uint256 private constant TIMES_AT = 0x780; // the word that ends with enteredAt, exitedAt and fare
    // The structs that {open} gives.
    uint256 private constant TERMS_AT = 0x7e0;
    uint256 private constant KEY_AT = 0x7e0;
    uint256 private constant LOWEST_AT = 0x800;
    uint256 private constant HIGHEST_AT = 0x820;
    uint256 private constant RUN_AT = 0xa80;
    uint256 private constant BATCH_AT = 0xba0;
    uint256 private constant GAP = 32; // between the batch and the refusals
    uint256 private constant FARE_BITS = 0xffffffff;

    /// @notice Takes the fixed addresses, copies the batch to memory and hashes it.
    /// @dev Must come before anything that takes memory beyond 0x600.
    function open(
        bytes calldata batch,
        bytes32 domainSeparator
    ) internal pure returns (Run memory run, RideRules.Terms memory terms) {
        if (batch.length < BatchCodec.OPERATOR_BYTES + BatchCodec.GROUP_HEADER_BYTES) {
            revert IClearinghouse.MalformedBatch(batch.length);
        }
        bytes32 typehash = ProtocolHashes.TICKET_TYPEHASH;
        bytes32 batchId;
        assembly ("memory-safe") {
            terms := TERMS_AT
            run := RUN_AT
            // What is taken here must not be in use.
            if gt(mload(0x40), TICKET_AT) {
                invalid()
            }
            // Solidity goes on behind the longest list of refusals: 3 bytes for every ride of 113.
            mstore(0x40, and(add(add(BATCH_AT, batch.length), add(div(batch.length, 37), 95)), not(31)))
            mstore(TICKET_AT, typehash)
            mstore(TICKET_NOT_AFTER_AT, 0) // of notAfter, fareCap and rider only what isn't padding is written for each ride
            mstore(TICKET_FARE_CAP_AT, 0)
            mstore(TICKET_RIDER_AT, 0)
            mstore(DOMAIN_AT, domainSeparator)
            mstore8(PREFIX_AT, 0x19)
            mstore8(add(PREFIX_AT, 1), 0x01)
            calldatacopy(BATCH_AT, batch.offset, batch.length)
            batchId := keccak256(BATCH_AT, batch.length)
        }
        run.batchId = batchId;
        run.operator = BatchCodec.operatorOf(batch);
        run.cursor = BATCH_AT + BatchCodec.OPERATOR_BYTES;
        run.end = BATCH_AT + batch.length;
        run.refusedUntil = run.end + GAP;
        run.rides = 0;
    }

    /// @notice Moves on to the next group, and makes sure that its rides are all there.
    function nextGroup(Run memory run) internal pure {
        unchecked {
            uint256 cursor = run.cursor;
            uint256 left = run.end - cursor;
            if (left < BatchCodec.GROUP_HEADER_BYTES) revert IClearinghouse.MalformedBatch(_offset(cursor));
            (uint256 issuer, uint256 keyId, uint256 count) = BatchCodec.groupAt(cursor);
            uint256 rides = run.rides;
            if (rides != 0 && ((issuer << 8) | keyId) <= ((run.issuer << 8) | run.keyId)) {
                revert IClearinghouse.OutOfOrder(_offset(cursor));
            }
            if (count == 0 || left < BatchCodec.GROUP_HEADER_BYTES + count * BatchCodec.RIDE_BYTES) {
                revert IClearinghouse.MalformedBatch(_offset(cursor));
            }
            if (issuer == run.operator) revert IClearinghouse.OwnTickets(uint16(issuer));
            if (rides + count > BatchCodec.MAX_RIDES) {
                revert IClearinghouse.TooManyRides(rides + count, BatchCodec.MAX_RIDES);
            }
            run.issuer = issuer;
            run.keyId = keyId;
            run.count = count;
            run.cursor = cursor + BatchCodec.GROUP_HEADER_BYTES;
        }
    }

    /// @notice Settles the rides of the present group, and moves the cursor behind them.
    /// @return settled How many rides settled.
    /// @return fares What they cost together, fen.
    function settleGroup(
        Run memory run,
        RideRules.Terms memory terms,
        SerialBitmap.Bitmap storage bitmap
    ) internal returns (uint256 settled, uint256 fares) {
        unchecked {
            _layOut(run);
            uint256 refusedBefore = run.refusedUntil;
            uint256 first = run.cursor;
            uint256 last = first + run.count * BatchCodec.RIDE_BYTES;
            uint256 behind = BatchCodec.closeAt(last);
            uint256 ride = first;
            do {
                if (ride != first && BatchCodec.serialAt(ride) <= BatchCodec.serialAt(ride - BatchCodec.RIDE_BYTES)) {
                    revert IClearinghouse.OutOfOrder(_offset(ride));
                }
                (ride, fares) = _settlePage(run, terms, bitmap, ride, fares);
            } while (ride != last);
            BatchCodec.openAt(last, behind);
            run.rides += run.count;
            run.cursor = last;
            return (run.count - (run.refusedUntil - refusedBefore) / BatchCodec.REFUSAL_BYTES, fares & FARE_BITS);
        }
    }

    /// @dev Settles rides from `ride` on, as long as their serials ascend within one storage word.
    function _settlePage(
        Run memory run,
        RideRules.Terms memory terms,
        SerialBitmap.Bitmap storage bitmap,
        uint256 ride,
        uint256 fares
    ) private returns (uint256, uint256) {
        unchecked {
            uint256 firstSerial = BatchCodec.serialAt(ride) & ~uint256(0xff);
            bytes32 slot = SerialBitmap.slotOf(bitmap, run.issuer, run.operator, firstSerial);
            uint256 spent = SerialBitmap.load(slot);
            uint256 seen;
            uint256 refused;
            while (true) {
                bool unusual;
                (ride, seen, fares, unusual) = _settlePlainRides(ride, firstSerial, spent, seen, fares);
                if (!unusual) {
                    if (seen != refused) SerialBitmap.store(slot, spent | (seen ^ refused));
                    return (ride, fares);
                }
                uint256 bit = SerialBitmap.bitOf(BatchCodec.serialAt(ride));
                seen |= bit;
                if (_judge(run, terms, ride, spent & bit != 0)) {
                    fares += BatchCodec.fareAt(ride);
                } else {
                    refused |= bit;
                }
                ride += BatchCodec.RIDE_BYTES;
            }
        }
    }

    /// @dev Settles rides as long as their serials ascend within one storage word and nothing is unusual about them.
    /// @param at Address of the first ride; its serial is in the word.
    /// @param base The word's first serial.
    /// @param spent The word: the bits of the serials that had paid before.
    /// @param met The bits of the serials that the group had in this word so far.
    /// @param total What the group's rides cost so far, in the lowest 32 bits.
    /// @return next Address of the ride that it stopped at.
    /// @return metNow `met`, with those that settled.
    /// @return totalNow `total`, with those that settled.
    /// @return unusual Whether that ride's signature was checked but it fell out of the ranges; else its serial doesn't
    /// ascend within this word, or it is the serial 0 behind the group's last ride.
    function _settlePlainRides(
        uint256 at,
        uint256 base,
        uint256 spent,
        uint256 met,
        uint256 total
    ) private view returns (uint256 next, uint256 metNow, uint256 totalNow, bool unusual) {
        assembly ("memory-safe") {
            // A function with a `leave` gets a stack of its own; inlined, the loop costs 20 gas a ride more. The order of
            // what doesn't depend on one another is the one for which the compiler moves least on the stack.
            function walk(firstSerial, seen_, ride_, fares_, before) -> fares, ride, seen, odd {
                let key := mload(KEY_AT)
                let lowest := mload(LOWEST_AT)
                let highest := mload(HIGHEST_AT)
                ride := ride_
                seen := seen_
                fares := fares_
                let serial := shr(216, mload(ride)) // its first 5 bytes
                mstore(TICKET_SERIAL_AT, serial) // into the ticket's struct
                let bit := shl(sub(serial, firstSerial), 1) // its bit in the word; 0 where it isn't of this word
                for {} 1 {} {
                    if iszero(gt(bit, seen)) {
                        leave // not of this word, not above those before it, or no ride at all
                    }
                    mcopy(RIDE_AT, ride, 113) // now its fields, too, have fixed addresses, and r and s are in place
                    let times := mload(TIMES_AT) // ... enteredAt (4) exitedAt (4) fare (4): three lanes of 32 bits
                    let entered := mload(ENTERED_AT) // enteredAt (4) exitedAt (4) fare (4) ...
                    let falls := or( // not 0: the ride is out of the ranges
                        or(
                            gt(shl(224, times), mload(FARE_CAP_AT)), // fare above fareCap, whatever follows that
                            and(bit, before) // spent
                        ),
                        or(
                            lt(mload(NOT_AFTER_AT), entered), // notAfter below enteredAt; if they are equal, what follows decides
                            or(
                                // exitedAt - enteredAt - 1 >= 24 h; the 1 is borrowed, as a fare is below any time
                                gt(
                                    sub(mload(EXITED_AT), entered),
                                    0x1517fffffffffffffffffffffffffffffffffffffffffffffffffffffffff
                                ),
                                // a lane above `highest` or below `lowest`: one of the differences is negative
                                and(0x800000008000000080000000, or(sub(highest, times), sub(times, lowest)))
                            )
                        )
                    )

                    // The rest of the ticket's struct; what pads its fields to 32 bytes is never written.
                    mcopy(add(TICKET_NOT_AFTER_AT, 28), NOT_AFTER_AT, 4) // notAfter
                    mcopy(add(TICKET_FARE_CAP_AT, 28), FARE_CAP_AT, 24) // fareCap and rider
                    mstore(TICKET_HASH_AT, keccak256(TICKET_AT, TICKET_BYTES)) // the struct's hash
                    mstore(DIGEST_AT, keccak256(PREFIX_AT, PREFIXED_BYTES)) // the digest; it and v overwrite fields that were read
                    let vs := mload(S_AT) // yParity in the top bit of s
                    mstore(V_AT, add(27, shr(255, vs))) // v
                    mstore(S_AT, and(vs, 0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff)) // s
                    // Where nobody can be recovered, or gas ran out, the digest stays, and no key equals it.
                    let one := staticcall(gas(), 1, DIGEST_AT, 0x80, RECOVERED_AT, 0x20)
                    if or(xor(mload(RECOVERED_AT), key), falls) {
                        odd := 1 // not the registered key's signature, or out of the ranges
                        leave
                    }

                    ride := add(ride, 113)
                    seen := or(bit, seen)
                    fares := add(times, fares) // the other lanes are cut off in the end
                    serial := shr(216, mload(ride)) // the next one's
                    mstore(TICKET_SERIAL_AT, serial)
                    bit := shl(sub(serial, firstSerial), one) // `one` is 1, and cheaper than to drop it and push a 1
                }
            }
            totalNow, next, metNow, unusual := walk(base, met, at, total, spent)
        }
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
        uint256 from = run.end + GAP;
        uint256 until = run.refusedUntil;
        if (from == until) return 0;
        bytes32 whole;
        assembly ("memory-safe") {
            whole := keccak256(from, sub(until, from))
        }
        return bytes25(whole);
    }

    /// @dev Lays out, in the ticket's struct, what is the same for all rides of a group.
    function _layOut(Run memory run) private pure {
        (uint256 issuer, uint256 keyId, uint256 operator) = (run.issuer, run.keyId, run.operator);
        assembly ("memory-safe") {
            mstore(TICKET_ISSUER_AT, issuer)
            mstore(TICKET_KEY_ID_AT, keyId)
            mstore(TICKET_OPERATOR_AT, operator)
        }
    }

    /// @dev Whether a ride settles that fell out of the loop's ranges; the loop has left what it recovered at RECOVERED_AT. One
    /// that doesn't is reported, and added to the list that the outcome is made from.
    function _judge(
        Run memory run,
        RideRules.Terms memory terms,
        uint256 ride,
        bool spent
    ) private returns (bool settles) {
        uint256 recovered;
        uint256 free;
        assembly ("memory-safe") {
            recovered := mload(RECOVERED_AT)
            free := mload(0x40)
        }
        uint256 reason = RideRules.reasonFor(terms, BatchCodec.rideAt(ride), recovered == terms.key, spent);
        if (reason == RideRules.SETTLES) {
            settles = true;
        } else {
            uint256 index = run.rides + (ride - run.cursor) / BatchCodec.RIDE_BYTES;
            run.refusedUntil = BatchCodec.putRefusal(run.refusedUntil, index, reason);
            emit IClearinghouse.RideRejected(run.batchId, index, uint8(reason));
        }
        assembly ("memory-safe") {
            mstore(0x40, free) // the decoded ride isn't needed any more
        }
    }

    function _offset(uint256 pointer) private pure returns (uint256) {
        return pointer - BATCH_AT;
    }
}
