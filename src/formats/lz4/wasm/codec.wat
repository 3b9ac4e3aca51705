;; The inner loops of LZ4 for WebAssembly, which can load and store words at any address. decode-block.ts and xxhash32.ts
;; do the same in JavaScript. They are the reference, and tests compare the two. For "compress" the reference is the package
;; lz4, whose output may differ. "npm run wasm" makes code.ts from this file.
;;
;; All arguments are addresses. The caller checks that they are in order and in the memory. 16 bytes at a time are copied,
;; so up to 16 bytes behind an output are overwritten, and up to 16 behind an input are read.
(module
  (memory (export "memory") 1)

  ;; Write the rest of a length above 15: bytes of 255, and one below. Returns the end.
  (func $writeLength (param $to i32) (param $left i32) (result i32)
    (loop $more
      (if (i32.ge_u (local.get $left) (i32.const 255))
        (then
          (i32.store8 (local.get $to) (i32.const 255))
          (local.set $to (i32.add (local.get $to) (i32.const 1)))
          (local.set $left (i32.sub (local.get $left) (i32.const 255)))
          (br $more))))
    (i32.store8 (local.get $to) (local.get $left))
    (i32.add (local.get $to) (i32.const 1)))

  (func $atMost15 (param $length i32) (result i32)
    (select (local.get $length) (i32.const 15) (i32.lt_u (local.get $length) (i32.const 15))))

  ;; Compress a block by itself. $table has 32 KiB. Returns the end of the result, or 0 where it would pass $limit.
  ;; No calls in the loop over all bytes: engines do not inline them.
  (func (export "compress")
    (param $from i32) (param $end i32) (param $to i32) (param $limit i32) (param $table i32) (result i32)
    (local $at i32) (local $next i32) (local $step i32) (local $tries i32) (local $anchor i32) (local $ref i32)
    (local $entry i32) (local $last i32) (local $matchEnd i32) (local $literals i32) (local $more i32)
    (local $a i32) (local $b i32) (local $difference i64)
    (memory.fill (local.get $table) (i32.const 0) (i32.const 32768))
    (local.set $anchor (local.get $from))
    (local.set $next (i32.add (local.get $from) (i32.const 1)))
    ;; The format: the last match starts 12 bytes before the end or earlier, and the last 5 bytes are literals.
    (local.set $last (i32.sub (local.get $end) (i32.const 12)))
    (local.set $matchEnd (i32.sub (local.get $end) (i32.const 5)))
    (block $done
      (br_if $done (i32.lt_s (local.get $last) (local.get $next)))
      (loop $sequence
        ;; Look for a match. The longer there is none, the longer are the steps.
        (local.set $step (i32.const 1))
        (local.set $tries (i32.const 64))
        (loop $search
          (local.set $at (local.get $next))
          (br_if $done (i32.gt_u (local.get $at) (local.get $last)))
          (local.set $next (i32.add (local.get $at) (local.get $step)))
          (local.set $step (i32.shr_u (local.get $tries) (i32.const 6)))
          (local.set $tries (i32.add (local.get $tries) (i32.const 1)))
          ;; The entry of the next 5 bytes: where they were last.
          (local.set $entry
            (i32.add (local.get $table)
              (i32.shl
                (i32.wrap_i64
                  (i64.shr_u
                    (i64.mul
                      (i64.shl (i64.load align=1 (local.get $at)) (i64.const 24))
                      (i64.const 889523592379))
                    (i64.const 51)))
                (i32.const 2))))
          (local.set $ref (i32.load (local.get $entry)))
          (i32.store (local.get $entry) (local.get $at))
          (br_if $search (i32.lt_u (local.get $ref) (local.get $from)))
          (br_if $search (i32.gt_u (i32.sub (local.get $at) (local.get $ref)) (i32.const 65535)))
          (br_if $search (i32.ne (i32.load align=1 (local.get $at)) (i32.load align=1 (local.get $ref)))))

        ;; Move the start back.
        (block $start
          (loop $back
            (br_if $start (i32.le_u (local.get $at) (local.get $anchor)))
            (br_if $start (i32.le_u (local.get $ref) (local.get $from)))
            (br_if $start
              (i32.ne
                (i32.load8_u (i32.sub (local.get $at) (i32.const 1)))
                (i32.load8_u (i32.sub (local.get $ref) (i32.const 1)))))
            (local.set $at (i32.sub (local.get $at) (i32.const 1)))
            (local.set $ref (i32.sub (local.get $ref) (i32.const 1)))
            (br $back)))

        ;; Find the end of the match.
        (local.set $a (i32.add (local.get $at) (i32.const 4)))
        (local.set $b (i32.add (local.get $ref) (i32.const 4)))
        (block $differs
          (loop $words
            (if (i32.le_u (i32.add (local.get $a) (i32.const 8)) (local.get $matchEnd))
              (then
                (local.set $difference
                  (i64.xor (i64.load align=1 (local.get $a)) (i64.load align=1 (local.get $b))))
                (if (i64.ne (local.get $difference) (i64.const 0))
                  (then
                    (local.set $a
                      (i32.add (local.get $a)
                        (i32.shr_u (i32.wrap_i64 (i64.ctz (local.get $difference))) (i32.const 3))))
                    (br $differs)))
                (local.set $a (i32.add (local.get $a) (i32.const 8)))
                (local.set $b (i32.add (local.get $b) (i32.const 8)))
                (br $words))))
          (loop $bytes
            (br_if $differs (i32.ge_u (local.get $a) (local.get $matchEnd)))
            (br_if $differs (i32.ne (i32.load8_u (local.get $a)) (i32.load8_u (local.get $b))))
            (local.set $a (i32.add (local.get $a) (i32.const 1)))
            (local.set $b (i32.add (local.get $b) (i32.const 1)))
            (br $bytes)))

        (local.set $literals (i32.sub (local.get $at) (local.get $anchor)))
        (local.set $more (i32.sub (i32.sub (local.get $a) (local.get $at)) (i32.const 4)))
        (if
          (i32.gt_u
            (i32.add
              (i32.add (local.get $to) (i32.add (local.get $literals) (i32.const 8)))
              (i32.div_u (i32.add (local.get $literals) (local.get $more)) (i32.const 255)))
            (local.get $limit))
          (then (return (i32.const 0))))
        (i32.store8 (local.get $to)
          (i32.or
            (i32.shl (call $atMost15 (local.get $literals)) (i32.const 4))
            (call $atMost15 (local.get $more))))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (if (i32.ge_u (local.get $literals) (i32.const 15))
          (then
            (local.set $to (call $writeLength (local.get $to) (i32.sub (local.get $literals) (i32.const 15))))))
        (local.set $b (i32.add (local.get $to) (local.get $literals)))
        (loop $copy
          (v128.store align=1 (local.get $to) (v128.load align=1 (local.get $anchor)))
          (local.set $anchor (i32.add (local.get $anchor) (i32.const 16)))
          (local.set $to (i32.add (local.get $to) (i32.const 16)))
          (br_if $copy (i32.lt_u (local.get $to) (local.get $b))))
        (i32.store16 align=1 (local.get $b) (i32.sub (local.get $at) (local.get $ref)))
        (local.set $to (i32.add (local.get $b) (i32.const 2)))
        (if (i32.ge_u (local.get $more) (i32.const 15))
          (then (local.set $to (call $writeLength (local.get $to) (i32.sub (local.get $more) (i32.const 15))))))

        (local.set $anchor (local.get $a))
        (local.set $next (local.get $a))
        (br_if $done (i32.gt_u (local.get $a) (local.get $last)))
        ;; The table learns one place inside the match, too.
        (local.set $b (i32.sub (local.get $a) (i32.const 2)))
        (i32.store
          (i32.add (local.get $table)
            (i32.shl
              (i32.wrap_i64
                (i64.shr_u
                  (i64.mul
                    (i64.shl (i64.load align=1 (local.get $b)) (i64.const 24))
                    (i64.const 889523592379))
                  (i64.const 51)))
              (i32.const 2)))
          (local.get $b))
        (br $sequence)))

    (local.set $literals (i32.sub (local.get $end) (local.get $anchor)))
    (if
      (i32.gt_u
        (i32.add
          (i32.add (local.get $to) (i32.add (local.get $literals) (i32.const 2)))
          (i32.div_u (local.get $literals) (i32.const 255)))
        (local.get $limit))
      (then (return (i32.const 0))))
    (i32.store8 (local.get $to) (i32.shl (call $atMost15 (local.get $literals)) (i32.const 4)))
    (local.set $to (i32.add (local.get $to) (i32.const 1)))
    (if (i32.ge_u (local.get $literals) (i32.const 15))
      (then (local.set $to (call $writeLength (local.get $to) (i32.sub (local.get $literals) (i32.const 15))))))
    (memory.copy (local.get $to) (local.get $anchor) (local.get $literals))
    (i32.add (local.get $to) (local.get $literals)))

  ;; Unpack a block. Returns the end of the output, or -1 for a damaged block. Differences of addresses are compared, and
  ;; never sums, so that no length of the input can wrap round.
  (func (export "decode")
    (param $at i32) (param $inputEnd i32) (param $to i32) (param $outputEnd i32) (param $history i32) (result i32)
    (local $token i32) (local $length i32) (local $byte i32) (local $distance i32) (local $from i32) (local $end i32)
    (block $damaged
      (loop $sequence
        (br_if $damaged (i32.ge_u (local.get $at) (local.get $inputEnd)))
        (local.set $token (i32.load8_u (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $length (i32.shr_u (local.get $token) (i32.const 4)))
        (if (i32.eq (local.get $length) (i32.const 15))
          (then
            (loop $more
              (br_if $damaged (i32.ge_u (local.get $at) (local.get $inputEnd)))
              (local.set $byte (i32.load8_u (local.get $at)))
              (local.set $at (i32.add (local.get $at) (i32.const 1)))
              (local.set $length (i32.add (local.get $length) (local.get $byte)))
              (br_if $more (i32.eq (local.get $byte) (i32.const 255))))))
        (br_if $damaged (i32.gt_u (local.get $length) (i32.sub (local.get $inputEnd) (local.get $at))))
        (br_if $damaged (i32.gt_u (local.get $length) (i32.sub (local.get $outputEnd) (local.get $to))))
        (local.set $from (local.get $at))
        (local.set $at (i32.add (local.get $at) (local.get $length)))
        (local.set $end (i32.add (local.get $to) (local.get $length)))
        (loop $copy
          (v128.store align=1 (local.get $to) (v128.load align=1 (local.get $from)))
          (local.set $from (i32.add (local.get $from) (i32.const 16)))
          (local.set $to (i32.add (local.get $to) (i32.const 16)))
          (br_if $copy (i32.lt_u (local.get $to) (local.get $end))))
        (local.set $to (local.get $end))
        (if (i32.eq (local.get $at) (local.get $inputEnd)) (then (return (local.get $to))))

        (br_if $damaged (i32.lt_u (i32.sub (local.get $inputEnd) (local.get $at)) (i32.const 2)))
        (local.set $distance (i32.load16_u align=1 (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 2)))
        (br_if $damaged (i32.eqz (local.get $distance)))
        (br_if $damaged (i32.gt_u (local.get $distance) (i32.sub (local.get $to) (local.get $history))))
        (local.set $length (i32.and (local.get $token) (i32.const 15)))
        (if (i32.eq (local.get $length) (i32.const 15))
          (then
            (loop $more
              (br_if $damaged (i32.ge_u (local.get $at) (local.get $inputEnd)))
              (local.set $byte (i32.load8_u (local.get $at)))
              (local.set $at (i32.add (local.get $at) (i32.const 1)))
              (local.set $length (i32.add (local.get $length) (local.get $byte)))
              (br_if $more (i32.eq (local.get $byte) (i32.const 255))))))
        (local.set $length (i32.add (local.get $length) (i32.const 4)))
        (br_if $damaged (i32.gt_u (local.get $length) (i32.sub (local.get $outputEnd) (local.get $to))))
        (local.set $from (i32.sub (local.get $to) (local.get $distance)))
        (local.set $end (i32.add (local.get $to) (local.get $length)))
        (if (i32.lt_u (local.get $distance) (i32.const 16))
          (then
            ;; The match overlaps itself: it repeats. Byte by byte, until 16 bytes can come from a whole number of
            ;; periods before.
            (local.set $byte
              (i32.mul
                (local.get $distance)
                (i32.add (i32.div_u (i32.const 15) (local.get $distance)) (i32.const 1))))
            (block $apart
              (loop $bytes
                (br_if $apart (i32.ge_u (local.get $to) (local.get $end)))
                (br_if $apart (i32.ge_u (i32.sub (local.get $to) (local.get $from)) (local.get $byte)))
                (i32.store8 (local.get $to) (i32.load8_u (i32.sub (local.get $to) (local.get $distance))))
                (local.set $to (i32.add (local.get $to) (i32.const 1)))
                (br $bytes)))))
        (loop $copy
          (v128.store align=1 (local.get $to) (v128.load align=1 (local.get $from)))
          (local.set $from (i32.add (local.get $from) (i32.const 16)))
          (local.set $to (i32.add (local.get $to) (i32.const 16)))
          (br_if $copy (i32.lt_u (local.get $to) (local.get $end))))
        (local.set $to (local.get $end))
        (br $sequence)))
    (i32.const -1))

  ;; Add stripes of 16 bytes to the four sums of an xxHash32. There must be one at least.
  (func (export "addStripes") (param $sums i32) (param $at i32) (param $end i32)
    (local $sum v128)
    (local.set $sum (v128.load (local.get $sums)))
    (loop $stripe
      (local.set $sum
        (i32x4.add
          (local.get $sum)
          (i32x4.mul (v128.load align=1 (local.get $at)) (i32x4.splat (i32.const 0x85ebca77)))))
      (local.set $sum
        (i32x4.mul
          (v128.or
            (i32x4.shl (local.get $sum) (i32.const 13))
            (i32x4.shr_u (local.get $sum) (i32.const 19)))
          (i32x4.splat (i32.const 0x9e3779b1))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $stripe (i32.lt_u (local.get $at) (local.get $end))))
    (v128.store (local.get $sums) (local.get $sum)))
)
