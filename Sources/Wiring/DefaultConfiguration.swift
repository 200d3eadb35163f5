/// Every setting of every section with its default, as YAML. A test checks that it equals the encoded default settings (`accrete validate
/// --defaults`). Stages that decode few sections check the keys of the others against it.
public let defaultConfiguration = #"""
    mode: live
    seed: 1
    endpoints:
      runtime: ''
      sensors:
      - tcp://127.0.0.1:7400
      - local:sensors
      acknowledged:
      - tcp://127.0.0.1:7404
      - local:acknowledged
      ingest:
      - local:ingest
      extract:
      - local:extract-{modality}
      fuse:
      - local:fuse
      - tcp://127.0.0.1:7401
      learn:
      - local:learn
      - tcp://127.0.0.1:7402
      evaluate:
      - local:evaluate
      - tcp://127.0.0.1:7403
      orders:
      - local:orders
      updates:
      - local:updates
      - tcp://127.0.0.1:7405
      play:
      - local:play
    messaging:
      frameBytes: 16777216
      cutFactor: 4
      parts: 16
      headerBytes: 1048576
      nameBytes: 160
      textBytes: 65536
      entries: 4096
      sendQueue: 1000
      sendBytes: 67108864
      subscriptionBytes: 65536
      receiveQueue: 1000
      waitingMessages: 1024
      waitingBytes: 16777216
      sourceShare: 2.5e-1
      sources: 4096
      lingerMilliseconds: 1000
    security:
      keys: ''
      name: ''
      messageRate: 1e+4
      byteRate: 2.68435456e+8
      updates: ''
      updateLifetime: 3.6e+3
      widestJump: 100000
    signals:
      text:
        maximumBytes: 4096
        tokenizer: ''
      image:
        frontend: patches
        weights: ''
        size: 32
        patch: 8
        channels: 3
        mean: 0e+0
        scale: 1e+0
        coveredContrast: 2e-2
        maximumPixels: 16777216
      audio:
        frontend: mel
        weights: ''
        sampleRate: 8000
        window: 256
        hop: 80
        bands: 32
        pooled: 2
        lowestFrequency: 6e+1
        highestFrequency: 3.9e+3
        silence: 1e-3
        maximumSeconds: 3e+1
        words: none
        wordsEndMoments: true
        wordsWaiting: 4
        wordsThreads: 1
        wordsDirectory: ''
      vector:
        length: 16
        mean: []
        scale: []
    cut:
      timeLimit: 1e+1
      maximumSessions: 256
      maximumSources: 64
      maximumJump: 3.6e+3
      doubtfulJump: 6e+1
      clocks:
        corrects: true
        span: 1e+0
        spans: 64
        maximumClocks: 16
        step: 1e+0
    coordinates:
      handedness: any
    fuse:
      lateness: 1e-2
      extraction: 2.5e-1
      alignment: []
      maximumFrames: 256
      maximumPending: 1024
      maximumSessions: 256
      maximumSources: 64
      sourceTimeout: 1e+0
      maximumLatency: 1e+0
      explain: none
      attention: false
      sentence: ''
      remembered: 256
      recalledLabels: 512
      risk: 5e-2
      probes: 0
      probeTolerance: 1e-1
      reliability:
        mutes: true
        muteBelow: 3e-1
        readmitAbove: 6e-1
        readingWeight: 3e-1
        errorWeight: 1e-1
        usualWeight: 2e-2
        limit: 4e+0
        warmUp: 30
        patience: 300
    answer:
      after: []
      maximumTokens: 32
      tokensPerTick: 4
      maximumWaiting: 8
      temperature: 0e+0
      topK: 0
      topP: 1e+0
      repetitionPenalty: 1e+0
      adoption: finish
    model:
      fusion: early
      combination: learned
      pairs: []
      gpt2: ''
      trunk: ''
      storage: float32
      adapterRank: 0
      adapterAlpha: 1.6e+1
      width: 64
      layers: 2
      heads: 4
      tokens: 2
      joint: 128
      classes: 16
      senses:
      - name: image
        rows: 16
        columns: 192
        encoder: dense
        embedding: 16
        hidden: 128
        blocks: 1
        jitter: 0
      - name: audio
        rows: 32
        columns: 32
        encoder: dense
        embedding: 32
        hidden: 128
        blocks: 1
        jitter: 2
      - name: vector
        rows: 1
        columns: 16
        encoder: dense
        embedding: 16
        hidden: 128
        blocks: 1
        jitter: 0
      text:
        length: 64
        vocabulary: 257
        words: 48
        buckets: 1024
        endings: false
      languageWeight: 1e+0
      expertWeight: 1e+0
    learn:
      directory: ''
      publishEvery: 8
      publishInterval: 1e+0
      checkpointInterval: 3e+1
      checkpointEvery: 256
      keptVersions: 4
      influenceEvery: 0
      corrections: 1024
      rememberedTokens: 0
      labelPatience: 64
      stream: ''
      run: ''
      maximumLatency: 2e+0
      niceness: 10
      triggers: []
      updates:
        coding: whole
        wholeEvery: 64
        kept: 256
        keptBytes: 67108864
        pieceBytes: 1048576
        byteRate: 6.4e+7
        subscriberByteRate: 3.2e+7
        subscriberRate: 2e+2
        subscribers: 1024
        canaryShare: 0e+0
        canaryQuorum: 1
        canaryWait: 1e+1
      gate:
        enabled: false
        anchors: 96
        anchorAge: 1500
        recent: 64
        anchorMargin: 1e-1
        recentMargin: 2e-1
        textMargin: 1e-1
        rollbackMargin: 3e-1
        disbeliefAfter: 3
        disbeliefReach: 64
        surpriseAbove: 3.5e+0
    learner:
      strategy: er
      strategySettings: {}
      optimizer: adam
      optimizerSettings: {}
      replay: reservoir
      replaySettings: {}
      memory: 500
      memoryBytes: 67108864
      replayed: 15
      languageRows: 4
      trunk: all
      correctionSteps: 24
      correctionLoss: 1e-1
      modalityDropout: 1e-1
      stepsPerMoment: 1
      averaging: 0e+0
      consolidateEvery: 200
      trialMoments: 64
      trialMargin: 5e-1
    decide:
      policy: ''
      settings: {}
      choices: 0
      text: false
      controls: []
      observation: vector
      inputs: 16
      alone: false
      window: 3e+1
      defaultReward: 0e+0
      rewardLimit: 1e+3
      maximumStaleness: 2
      publishEvery: 1
      maximumOpen: 4096
      maximumRemembered: 65536
      logLines: 100000
    personal:
      enabled: false
      method: fomaml
      parameters:
      - head.
      - fusion.join
      - .norm.
      adapted:
      - .norm.
      maximumNumbers: 100000
      support: 8
      query: 8
      steps: 2
      innerRate: 1e+1
      outerRate: 1e-3
      rateShare: 2e-2
      memory: 256
      replayed: 2
      proof: 64
      maximumSessions: 64
      expiry: 2000
      budget: 2.5e-1
    evaluate:
      window: 500
      labelPatience: 1000
      publishEvery: 8
      maximumLatency: 2e+0
      niceness: 10
      masksWords: true
      holdOut: 0
      domainSample: 100
      maximumDomains: 32
      domainDetector: ''
    lockstep:
      window: 32
      patience: 1.2e+2
    play:
      speed: 1e+0
    simulate:
      moments: 2400
      rate: 2e+1
      world:
        session: table
        user: 0
        momentsPerSession: 0
        plainSessions: 0
        framesPerSecond: 1e+1
        shortestMoment: 5e-1
        longestMoment: 1e+0
        labelDelay: 0e+0
        newObjects: 400
        newWords: 600
        newSpeaker: 800
        firstDropout: 1000
        dropoutPeriod: 200
        dropoutLength: 40
    supervise:
      restartDelay: 2e-1
      maximumRestartDelay: 1e+1
      maximumRestarts: 8
      healthyAfter: 1e+1
      stopGrace: 1e+1
      silence: 2e+1
      startTimeout: 6e+1
      memoryLimit: 0
    gateway:
      address: 0.0.0.0
      port: 7443
      directory: ''
      codes: []
      maximumConnections: 256
      maximumClientConnections: 32
      maximumStreams: 64
      streamEvents: 256
      headBytes: 16384
      bodyBytes: 4194304
      batchReadings: 256
      requestSeconds: 1.5e+1
      answerSeconds: 6e+1
      requestRate: 5e+1
      requestBurst: 1e+2
      wrongCodesPerMinute: 1e+1
      maximumClients: 4096
      maximumSessions: 256
      maximumNames: 1024
    journal:
      directory: ''
      segmentBytes: 67108864
      bytes: 4294967296
      age: 6.048e+5
      waitingRecords: 4096
      waitingBytes: 67108864
      commitInterval: 5e-3
      retryInterval: 1e+0
      sources: 4096
      credit: 64
      patience: 1e+1
    privacy:
      consent: share
      sources: []
      local: false
      persons: []
      redact: []
      patterns: []
      names: []
      learning:
        enabled: false
        unit: moment
        sampling: poisson
        epsilon: 8e+0
        delta: 1.0000000000000001e-05
        noise: 1e+0
        clip: 1e+0
        batch: 32
        pool: 2048
        start: 512
        every: 4
        unitMoments: 8

    """#
