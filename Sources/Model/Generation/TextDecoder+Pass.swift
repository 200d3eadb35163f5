import CVector
import Tensors

/// One pass of all rows through the model, as rounds of a team's work.
extension TextDecoder: TeamWork {
    /// The operations of a block, in order; each needs all rows of the one before.
    private enum BlockRound: CaseIterable {
        case prepareProject, project, attend, prepareJoin, join, prepareExpand, expand, prepareContract, contract
    }

    /// Of few rows, each share prepares for itself what it reads: cheaper than waiting for other shares.
    private static let fewRowsRounds: [BlockRound] = [.project, .attend, .join, .expand, .contract]

    private var blockRounds: [BlockRound] { hasFewRows ? Self.fewRowsRounds : BlockRound.allCases }
    private var hasFewRows: Bool { rows.count <= Projection.fewRows }

    private var observesHead: Bool { asked.isEmpty && observer?.observesHead == true }

    /// The embedding, the operations of every block, and, if logits are computed or the head's input is observed, the last norm and the
    /// head.
    public var rounds: Int { 1 + weights.blocks.count * blockRounds.count + (asked.isEmpty && !observesHead ? 0 : 2) }

    public func work(_ share: Share, round: Int) {
        guard round > 0 else { return embed(share) }
        let (block, place) = (round - 1).quotientAndRemainder(dividingBy: blockRounds.count)
        if block < weights.blocks.count {
            work(share, block, blockRounds[place])
        } else if observesHead {
            observeHead(share, isReady: place > 0)
        } else if place == 0 {
            prepareAsked(share)
        } else {
            var input = input(last.pointer, rows: asked.count, share)
            weights.head.apply(&input, into: allLogits.pointer, stride: plan.vocabularySize, part(weights.head, share))
        }
    }

    private func work(_ share: Share, _ index: Int, _ round: BlockRound) {
        let block = weights.blocks[index]
        switch round {
        case .prepareProject: prepare(block.attention, block.normBefore, share)
        case .project: project(index, block, share)
        case .attend: attend(index, share)
        case .prepareJoin: quantize([block.output], activations.attended, share)
        case .join: add(block.output, activations.attended, share, at: .output(index))
        case .prepareExpand: prepare([block.up] + (block.gate.map { [$0] } ?? []), block.normAfter, share)
        case .expand: expand(index, block, share)
        case .prepareContract: quantize([block.down], activations.inner, share)
        case .contract: add(block.down, activations.inner, share, at: .contraction(index))
        }
    }

    private func input(_ x: UnsafePointer<Float>, rows: Int, _ share: Share) -> ProjectionInput {
        ProjectionInput(x, rows: rows, scratch[share.index], prepared: activations.blocks)
    }

    /// Normalises a share's rows, and quantises them if projections read blocks.
    private func prepare(_ projections: [Projection], _ norm: DecoderWeights.Norm, _ share: Share) {
        normalize(activations.x.pointer, norm, into: activations.normed.pointer, rows: share.of(rows.count))
        quantize(projections, activations.normed, share)
    }

    private func quantize(_ projections: [Projection], _ x: Memory<Float>, _ share: Share) {
        guard projections.contains(where: \.readsBlocks), let blocks = activations.blocks else { return }
        blocks.set(x.pointer, rows: share.of(rows.count), width: projections[0].inputs)
    }

    private func part(_ projection: Projection, _ share: Share) -> Range<Int> { share.of(projection.outputs, multiple: 16, grain: 64) }

    private func embed(_ share: Share) {
        let C = plan.width
        for row in share.of(rows.count) {
            let x = activations.x.pointer + row * C
            switch rows[row].input {
            case .embedding(let numbers): x.update(from: numbers, count: C)
            case .token(let token, let place):
                weights.tokens.copy(token, width: C, into: x)
                weights.places?.add(place, width: C, to: x)
            }
        }
    }

    /// x += W · from
    private func add(_ projection: Projection, _ from: Memory<Float>, _ share: Share, at place: ProjectionInputPlace) {
        observer?.observe(from.pointer, rows: rows.count, width: projection.inputs, at: place, share)
        var input = input(from.pointer, rows: rows.count, share)
        projection.apply(&input, into: activations.x.pointer, stride: plan.width, part(projection, share), adding: true)
    }

    /// Queries, keys and values of some heads, rotated if positions are; keys and values go to the caches.
    private func project(_ index: Int, _ block: DecoderWeights.Block, _ share: Share) {
        let H = plan.heads, G = plan.groups, D = plan.headWidth, stride = (H + 2 * G) * D, projected = activations.projected.pointer
        let heads = share.of(H + 2 * G), part = heads.lowerBound * D..<heads.upperBound * D
        let normed = normalized(block.normBefore, share)
        observer?.observe(normed, rows: rows.count, width: plan.width, at: .attention(index), share)
        guard !part.isEmpty else { return }
        var input = input(normed, rows: rows.count, share), start = 0
        for projection in block.attention {
            let own = part.clamped(to: start..<start + projection.outputs)
            projection.apply(&input, into: projected + start, stride: stride, own.lowerBound - start..<own.upperBound - start)
            start += projection.outputs
        }
        for (index_, row) in rows.enumerated() {
            let cache = caches[row.stream]
            for head in heads {
                let x = projected + index_ * stride + head * D
                if head < H + G { rotate(x, at: row.slot) }
                if head >= H + G {
                    cache.set(value: x, layer: index, group: head - H - G, slot: row.slot)
                } else if head >= H {
                    cache.set(key: x, layer: index, group: head - H, slot: row.slot)
                }
            }
        }
    }

    /// Rotates the pairs (i, i + D/2) of a head by the angles of a position.
    private func rotate(_ x: UnsafeMutablePointer<Float>, at position: Int) {
        guard cosines.count > 0 else { return }
        let half = plan.headWidth / 2, cosine = cosines.pointer + position * half, sine = sines.pointer + position * half
        for i in 0..<half {
            let (a, b) = (x[i], x[i + half])
            x[i] = a * cosine[i] - b * sine[i]
            x[i + half] = b * cosine[i] + a * sine[i]
        }
    }

    /// f(W · norm(x)), or f(gate · norm(x)) ⊙ (W · norm(x))
    private func expand(_ index: Int, _ block: DecoderWeights.Block, _ share: Share) {
        let part = part(block.up, share), hidden = plan.hidden, inner = activations.inner.pointer
        let normed = normalized(block.normAfter, share)
        observer?.observe(normed, rows: rows.count, width: plan.width, at: .expansion(index), share)
        guard !part.isEmpty else { return }
        var input = input(normed, rows: rows.count, share)
        guard let gate = block.gate else {
            block.up.apply(&input, into: inner, stride: hidden, part)
            for row in 0..<rows.count { activate(inner + row * hidden, part) }
            return
        }
        let gated = activations.gated.pointer
        gate.apply(&input, into: inner, stride: hidden, part)
        block.up.apply(&input, into: gated, stride: hidden, part)
        for row in 0..<rows.count {
            let y = inner + row * hidden, up = gated + row * hidden
            activate(y, part)
            for i in part { y[i] *= up[i] }
        }
    }

    // MARK: Norms

    /// All rows normalised: by this share for itself if they are few, else in the round before.
    private func normalized(_ norm: DecoderWeights.Norm, _ share: Share) -> UnsafeMutablePointer<Float> {
        guard hasFewRows else { return activations.normed.pointer }
        let own = activations.normed.pointer + share.index * Projection.fewRows * plan.width
        normalize(activations.x.pointer, norm, into: own, rows: 0..<rows.count)
        return own
    }

    /// Normalises all rows, and, in the next round, shows them to the observer.
    private func observeHead(_ share: Share, isReady: Bool) {
        let normed = activations.normed.pointer
        if isReady {
            observer?.observe(normed, rows: rows.count, width: plan.width, at: .head, share)
        } else {
            normalize(activations.x.pointer, weights.norm, into: normed, rows: share.of(rows.count))
        }
    }

    private func prepareAsked(_ share: Share) {
        let C = plan.width, part = share.of(asked.count)
        for row in part { (last.pointer + row * C).update(from: activations.x.pointer + asked[row] * C, count: C) }
        normalize(last.pointer, weights.norm, into: last.pointer, rows: part)
        if !hasFewRows, weights.head.readsBlocks, let blocks = activations.blocks { blocks.set(last.pointer, rows: part, width: C) }
    }

    private func normalize(_ x: UnsafePointer<Float>, _ norm: DecoderWeights.Norm, into y: UnsafeMutablePointer<Float>, rows: Range<Int>) {
        for row in rows {
            let x = x + row * plan.width, y = y + row * plan.width
            switch plan.norm {
            case .layer(let epsilon): normalize(x, norm, Float(epsilon), into: y)
            case .rootMeanSquare(let epsilon): scale(x, norm.weight, Float(epsilon), into: y)
            }
        }
    }

    /// y = (x − mean) / √(variance + ε) · weight + bias
    private func normalize(_ x: UnsafePointer<Float>, _ norm: DecoderWeights.Norm, _ epsilon: Float, into y: UnsafeMutablePointer<Float>) {
        guard let bias = norm.bias else { preconditionFailure("a layer norm without bias") }
        let C = plan.width
        let mean =
            sum(C) {
                SIMD16(load: x + $0)
            } one: {
                x[$0]
            } / Float(C)
        let variance =
            sum(C) {
                let d = SIMD16(load: x + $0) - mean
                return d * d
            } one: {
                (x[$0] - mean) * (x[$0] - mean)
            } / Float(C)
        let scale = 1 / (variance + epsilon).squareRoot()
        for i in 0..<C { y[i] = (x[i] - mean) * scale * norm.weight[i] + bias[i] }
    }

    /// y = x / √(mean(x²) + ε) · weight
    private func scale(_ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ epsilon: Float, into y: UnsafeMutablePointer<Float>) {
        let C = plan.width
        let square =
            sum(C) {
                let x = SIMD16(load: x + $0)
                return x * x
            } one: {
                x[$0] * x[$0]
            } / Float(C)
        let scale = 1 / (square + epsilon).squareRoot()
        for i in 0..<C { y[i] = x[i] * scale * weight[i] }
    }

    /// Sixteen at a time, and the rest one by one.
    @inline(__always)
    private func sum(_ count: Int, sixteen: (Int) -> SIMD16<Float>, one: (Int) -> Float) -> Float {
        var sums = SIMD16<Float>.zero, place = 0
        while place + 16 <= count {
            sums += sixteen(place)
            place += 16
        }
        var rest: Float = 0
        for place in place..<count { rest += one(place) }
        return sums.total + rest
    }

    // MARK: Attention

    /// softmax(q · kᵀ / √D) · v over the keys that a row attends to, for some heads of some rows.
    private func attend(_ layer: Int, _ share: Share) {
        let H = plan.heads
        func chunks(_ run: Run) -> Int { (run.rows.count + Activations.queries - 1) / Activations.queries }
        let part = share.of(runs.reduce(0) { $0 + chunks($1) } * H)
        var first = 0
        for run in runs {
            let units = chunks(run) * H
            for unit in part.clamped(to: first..<first + units) {
                let (chunk, head) = (unit - first).quotientAndRemainder(dividingBy: H)
                let start = run.rows.lowerBound + chunk * Activations.queries
                attend(layer, head, start..<min(start + Activations.queries, run.rows.upperBound), share)
            }
            first += units
        }
    }

    /// The attention of consecutive rows of one stream.
    private func attend(_ layer: Int, _ head: Int, _ part: Range<Int>, _ share: Share) {
        let H = plan.heads, G = plan.groups, D = plan.headWidth, width = (H + 2 * G) * D, tile = KeyValueCache.tile
        let cache = caches[rows[part.lowerBound].stream], group = head / (H / G), scale = 1 / Float(D).squareRoot()
        let stride = activations.slots, scores = activations.scores.pointer + share.index * Activations.queries * stride
        let q = activations.projected.pointer + part.lowerBound * width + head * D
        let y = activations.attended.pointer + part.lowerBound * H * D + head * D
        // Later rows see later keys; scores begin with a whole tile.
        let begin = rows[part.lowerBound].seen.lowerBound / tile * tile, end = rows[part.upperBound - 1].seen.upperBound
        let keys = cache.keys(layer: layer, group: group) + begin * D, tiles = (end - begin + tile - 1) / tile
        let values = cache.values(layer: layer, group: group) + begin * D
        if part.count == 1 {
            CVectorScores(BlockMatrix.level, q, keys, tiles, D, scale, scores)
        } else {
            for t in 0..<tiles {
                Float.multiply(
                    Matrix(q, stride: width), Matrix(keys + t * tile * D, stride: tile), into: scores + t * tile, stride: stride,
                    m: part.count, n: tile, k: D, alpha: scale, beta: 0)
            }
        }
        for (i, row) in part.enumerated() {
            let seen = rows[row].seen, p = scores + i * stride
            p.update(repeating: 0, count: seen.lowerBound - begin)
            softmax(p + seen.lowerBound - begin, count: seen.count)
            (p + seen.upperBound - begin).update(repeating: 0, count: end - seen.upperBound)
        }
        if part.count == 1 {
            CVectorMix(BlockMatrix.level, scores, values, end - begin, D, y)
        } else {
            Float.multiply(
                Matrix(scores, stride: stride), Matrix(values, stride: D), into: y, stride: H * D, m: part.count, n: D, k: end - begin,
                alpha: 1, beta: 0)
        }
    }

    private func softmax(_ x: UnsafeMutablePointer<Float>, count: Int) {
        var largest = x[0]
        for i in 1..<max(1, count) { largest = max(largest, x[i]) }
        var sums = SIMD16<Float>.zero, sum: Float = 0, place = 0
        while place + 16 <= count {
            let e = SIMD16.exp(SIMD16(load: x + place) - largest)
            e.store(to: x + place)
            sums += e
            place += 16
        }
        for i in place..<count {
            x[i] = Float.exp(x[i] - largest)
            sum += x[i]
        }
        let factor = 1 / (sums.total + sum)
        for i in 0..<count { x[i] *= factor }
    }

    // MARK: Activation

    private func activate(_ h: UnsafeMutablePointer<Float>, _ part: Range<Int>) {
        switch plan.activation {
        case .gelu:
            apply(h, part) { x in
                x / (1 + SIMD16.exp(-x * (1.595_769_1 + 0.071_354_816 * x * x)))
            } one: { x in
                x / (1 + Float.exp(-x * (1.595_769_1 + 0.071_354_816 * x * x)))
            }
        case .silu:
            apply(h, part) { x in
                x / (1 + SIMD16.exp(-x))
            } one: { x in
                x / (1 + Float.exp(-x))
            }
        case .relu: for i in part { h[i] = max(h[i], 0) }
        case .tanh: for i in part { h[i] = Float.tanh(h[i]) }
        case .sigmoid: for i in part { h[i] = 1 / (1 + Float.exp(-h[i])) }
        case .exponential: for i in part { h[i] = Float.exp(h[i]) }
        case .logarithm: for i in part { h[i] = Float.log(h[i]) }
        case .square: for i in part { h[i] *= h[i] }
        case .softplus: for i in part { h[i] = max(h[i], 0) + Float.log(1 + Float.exp(-abs(h[i]))) }
        }
    }

    @inline(__always)
    private func apply(
        _ h: UnsafeMutablePointer<Float>, _ part: Range<Int>, sixteen: (SIMD16<Float>) -> SIMD16<Float>, one: (Float) -> Float
    ) {
        var place = part.lowerBound
        while place + 16 <= part.upperBound {
            sixteen(SIMD16(load: h + place)).store(to: h + place)
            place += 16
        }
        for i in place..<part.upperBound { h[i] = one(h[i]) }
    }
}
