extension Pages {
    static let phoneHTML = #"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Accrete</title>
        <link rel="icon" href="data:,">
        <link rel="stylesheet" href="/style.css">
        <script src="/phone.js" defer></script>
        </head>
        <body>
        <main>
        <h1>Accrete</h1>
        <form id="enter" hidden>
          <label>Access code <input id="code" autocomplete="off" autocapitalize="none" spellcheck="false" required></label>
          <button>Connect</button>
        </form>
        <section id="connected" hidden>
          <p id="state" role="status" aria-live="polite"></p>
          <video id="video" playsinline muted hidden></video>
          <p class="row">
            <button id="camera" aria-pressed="false">Camera</button>
            <button id="microphone" aria-pressed="false">Microphone</button>
            <button id="motion" aria-pressed="false">Motion</button>
            <button id="speech" aria-pressed="false">Speak answers</button>
          </p>
          <p class="row"><button id="what" type="button">What is it?</button></p>
          <form id="ask" class="row">
            <label class="grow">Words <input id="words" maxlength="1000" autocomplete="off"></label>
            <button>Send</button>
          </form>
          <p><label>What may be done with it <select id="consent">
            <option value="">as the graph is set</option>
            <option value="notStored">answer only: nothing is kept or learned</option>
            <option value="sessionOnly">learn for this session only</option>
            <option value="learnHere">learn, and keep it on this machine</option>
            <option value="share">learn, and share the model</option>
          </select></label></p>
          <p id="hint" class="small" role="status"></p>
          <p id="counts" class="small"></p>
          <p class="small"><a id="graph" href="/watch">The graph</a></p>
          <ol id="answers" aria-live="polite" aria-label="Answers, newest first"></ol>
        </section>
        </main>
        </body>
        </html>
        """#

    static let styleSheet = #"""
        :root { color-scheme: light dark; --line: #8886; --accent: #0a6cbd; --good: #18794e; --bad: #b42318; --button: #eef0f3; }
        @media (prefers-color-scheme: dark) { :root { --accent: #6cb8ff; --good: #5fd39a; --bad: #ff8a80; --button: #2b2f36; } }
        * { box-sizing: border-box; }
        body { margin: 0; font: 1rem/1.45 system-ui, sans-serif; }
        main { max-width: 46rem; margin: 0 auto; padding: 1rem; }
        h1 { font-size: 1.3rem; margin: 0 0 .6rem; }
        video { width: 100%; max-height: 45vh; background: #000; border-radius: .5rem; }
        button, input, select { font: inherit; padding: .55rem .8rem; border: 1px solid var(--line); border-radius: .5rem; }
        button { min-height: 2.75rem; cursor: pointer; background: var(--button); color: CanvasText; }
        a { color: var(--accent); }
        button[aria-pressed=true] { background: var(--accent); color: Canvas; }
        :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
        input { width: 100%; background: Field; color: FieldText; }
        .row { display: flex; flex-wrap: wrap; gap: .5rem; align-items: end; }
        .grow { flex: 1 1 12rem; }
        .known { font-size: 1.15rem; font-weight: 600; margin: 0; }
        .known:empty { display: none; }
        .small { font-size: .85rem; opacity: .8; }
        ol { list-style: none; padding: 0; }
        li { border-top: 1px solid var(--line); padding: .6rem 0; }
        h2 { font-size: 1.05rem; margin: 1.4rem 0 .3rem; }
        table { border-collapse: collapse; width: 100%; font-size: .9rem; }
        th, td { text-align: left; padding: .25rem .5rem; border-top: 1px solid var(--line); }
        th, td:first-child { white-space: nowrap; }
        .wide { overflow-x: auto; }
        .chart { display: block; width: 100%; height: auto; border: 1px solid var(--line); border-radius: .5rem; }
        .chart text { font-size: 11px; fill: CanvasText; }
        .chart polyline { stroke-width: 2; }
        .line0 { stroke: var(--accent); } .line1 { stroke: var(--bad); stroke-dasharray: 6 4; }
        .thumb { float: right; max-width: 30%; height: auto; border-radius: .3rem; margin-left: .6rem; }
        li::after { content: ''; display: block; clear: both; }
        .bar { fill: var(--accent); }
        .chart .grid { stroke: var(--line); stroke-width: 1; }
        .chart line.line0, .chart line.line1 { stroke-width: 2; }
        .good { color: var(--good); } .bad { color: var(--bad); }
        """#

    /// Captures, and drops what the network cannot carry; nothing waits on the phone that is older than the newest few readings.
    static let phoneScript = #"""
        'use strict';
        const $ = id => document.getElementById(id);
        const limits = { waitingBytes: 1 << 20, waiting: 64, batchBytes: 512 << 10, pictures: 4, width: 320, motion: 20, answers: 50 };
        let code = new URLSearchParams(location.hash.slice(1)).get('code') || sessionStorage.getItem('code') || '';
        history.replaceState(null, '', location.pathname);
        const session = sessionStorage.getItem('session') || 'phone-' + crypto.randomUUID().slice(0, 13);
        sessionStorage.setItem('session', session);
        const epoch = Math.floor(performance.timeOrigin + performance.now());
        let names = {};
        const now = () => performance.timeOrigin + performance.now();
        const counts = { sent: 0, dropped: 0, refused: 0, byModality: {} };
        let waiting = [], waitingBytes = 0, sending = false, sequence = 0, online = false, why = '', asking = false, asked = 0, camera = null;

        function call(path, options = {}) {
          return fetch(path, { ...options, headers: { ...options.headers, Authorization: 'Bearer ' + code } });
        }
        function show() {
          $('state').textContent = online ? 'Connected as ' + session : 'Not connected' + (why ? ': ' + why : '') + '; trying again';
          $('state').className = online ? 'good' : 'bad';
          $('counts').textContent = `sent ${counts.sent}, waiting ${waiting.length}, dropped here ${counts.dropped}, refused ${counts.refused}`;
        }

        // Readings: the newest are kept, the oldest dropped and counted. What ends a moment is kept for longest.
        function add(reading, bytes) {
          // The moment that is asked about ends with the next picture, or where there is no camera with the next reading of any kind.
          if (asking && (reading.modality === 'image' || !camera)) { reading.ends = 'label'; asking = false; asked++; $('hint').textContent = ''; }
          if ($('consent').value) reading.consent = $('consent').value;
          waiting.push({ reading: { ...reading, bytes: bytes.byteLength }, bytes });
          waitingBytes += bytes.byteLength;
          while (waiting.length > limits.waiting || waitingBytes > limits.waitingBytes) {
            let oldest = waiting.findIndex(one => !one.reading.ends);
            if (oldest < 0) oldest = 0;
            const [lost] = waiting.splice(oldest, 1);
            waitingBytes -= lost.bytes.byteLength;
            counts.dropped++;
          }
          send();
        }
        async function send() {
          if (sending || !waiting.length || !online) return show();
          sending = true;
          let count = 0, size = 0;
          while (count < waiting.length && (count === 0 || size + waiting[count].bytes.byteLength <= limits.batchBytes)) {
            size += waiting[count++].bytes.byteLength;
          }
          const batch = waiting.splice(0, count);
          waitingBytes -= size;
          const head = new TextEncoder().encode(JSON.stringify({
            session, epoch, sequence: ++sequence, dropped: counts.dropped, readings: batch.map(one => one.reading) }));
          const length = new DataView(new ArrayBuffer(4));
          length.setUint32(0, head.byteLength, true);
          try {
            const reply = await call('/api/readings', { method: 'POST', body: new Blob([length.buffer, head, ...batch.map(one => one.bytes)]) });
            const body = await reply.json();
            if (reply.status === 200 || reply.status === 422) {
              counts.sent += body.accepted; counts.refused += body.refused.length;
            } else { counts.refused += batch.length; why = body.error.message; }
          } catch (error) { counts.dropped += batch.length; online = false; why = 'the network'; }
          sending = false;
          show();
          if (waiting.length) setTimeout(send, 20);
        }

        // Events: fetch with a reader, because an EventSource cannot send the code.
        async function listen() {
          let delay = 500;
          for (;;) {
            try {
              const reply = await call('/api/events?session=' + session);
              if (reply.status === 401) { why = 'wrong access code'; sessionStorage.removeItem('code'); return enter(); }
              if (!reply.ok) throw new Error((await reply.json()).error.message);
              names = (await (await call('/api/names')).json()).names || {};
              online = true; why = ''; delay = 500; show(); send();
              const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
              let rest = '';
              for (;;) {
                const { value, done } = await reader.read();
                if (done) break;
                rest += value;
                let end;
                while ((end = rest.indexOf('\n\n')) >= 0) {
                  take(JSON.parse(rest.slice(6, end)));
                  rest = rest.slice(end + 2);
                }
              }
            } catch (error) { why = error.message; }
            online = false; show();
            await new Promise(done => setTimeout(done, delay));
            delay = Math.min(2 * delay, 10000);
          }
        }

        const moments = new Map();
        function momentOf(event) {
          let moment = moments.get(event.moment);
          if (moment) return moment;
          const item = document.createElement('li');
          item.innerHTML = '<p class="known"></p><p class="what small"></p><form class="row name" hidden></form><p class="said"></p><form class="row text" hidden></form>'
            + '<p class="note small" role="status"></p>';
          moment = { id: event.moment, item, said: '', label: null, classes: 0, decision: null, note: item.lastChild };
          const part = name => item.querySelector(name);
          moment.name = part('.known'); moment.what = part('.what'); moment.words = part('.said'); moment.naming = part('.name'); moment.correcting = part('.text');
          const button = (row, text, act) => {
            const one = document.createElement('button');
            one.textContent = text;
            if (act) { one.type = 'button'; one.onclick = act; }
            row.append(one);
          };
          const field = (row, text, longest) => {
            const one = document.createElement('input');
            one.placeholder = text; one.maxLength = longest; one.autocomplete = 'off';
            one.setAttribute('aria-label', text);
            one.className = 'grow';
            row.append(one);
            return one;
          };
          button(moment.naming, 'Right', () => give(moment, { label: moment.label, reward: 1 }));
          button(moment.naming, 'Wrong', () => give(moment, { reward: -1 }));
          const name = field(moment.naming, 'It is called …', 60);
          button(moment.naming, 'Teach');
          moment.naming.onsubmit = event => {
            event.preventDefault();
            if (!name.value.trim()) return;
            give(moment, { name: name.value.trim() });
          };
          const text = field(moment.correcting, 'The right answer …', 1000);
          button(moment.correcting, 'Correct');
          moment.correcting.onsubmit = event => { event.preventDefault(); if (text.value.trim()) give(moment, { text: text.value.trim() }); };
          $('answers').prepend(item);
          moments.set(event.moment, moment);
          if (moments.size > limits.answers) {
            const [first, old] = moments.entries().next().value;
            old.item.remove();
            moments.delete(first);
          }
          return moment;
        }
        function take(event) {
          if (event.type === 'prediction') {
            const moment = momentOf(event);
            moment.label = event.label; moment.classes = event.classes;
            moment.naming.hidden = event.classes === 0;
            const best = event.best.slice(0, 3).map(one => `${names[one.label] || 'class ' + one.label} ${Math.round(100 * (one.p || 0))} %`);
            const [first] = event.best, known = first && names[first.label] && !event.unsure ? names[first.label] : null;
            moment.name.textContent = known || 'I do not know what this is.';
            moment.what.textContent = `${Math.round(100 * event.confidence)} % sure: ` + best.join(' · ') + ` (model ${event.version}${event.recalled >= 0.5 ? ' and what was named before' : ''}, `
              + `${Math.round(1000 * event.latency)} ms)`;
            if (asked > 0) { asked--; say(known || 'I do not know. What is it called?'); }
          } else if (event.type === 'answer') {
            const moment = momentOf(event);
            moment.said += event.text;
            moment.words.textContent = moment.said;
            moment.correcting.hidden = false;
            if (event.end) say(moment.said.trim());
          } else if (event.type === 'names') {
            names = event.names;
          } else if (event.type === 'action') momentOf(event).decision = event.decision;
        }
        function say(text) { if (speaks && text) speechSynthesis.speak(new SpeechSynthesisUtterance(text)); }
        async function give(moment, { label, name, reward, text }) {
          const feedback = { session, moment: moment.id, time: now() };
          if (label !== undefined && label !== null) { feedback.label = label; feedback.classes = moment.classes; }
          if (name !== undefined) { feedback.name = name; feedback.classes = moment.classes; }
          if (text !== undefined) feedback.text = text;
          if ($('consent').value) feedback.consent = $('consent').value;
          if (reward !== undefined && moment.decision) { feedback.reward = reward; feedback.decision = moment.decision; }
          if (!['label', 'name', 'text', 'reward'].some(key => key in feedback)) { moment.note.textContent = 'Say what it is called.'; return; }
          const reply = await call('/api/feedback', { method: 'POST', body: JSON.stringify(feedback) }).catch(() => null);
          if (reply && reply.ok) { moment.note.textContent = 'Sent: it is learned now.'; return; }
          const problem = reply ? await reply.json().catch(() => null) : null;
          moment.note.textContent = 'Not accepted' + (problem && problem.error ? ': ' + problem.error.message : '.');
        }

        let speaks = false;
        function toggle(id, begin, end) {
          let on = false;
          $(id).onclick = async () => {
            try {
              if (on) end(); else await begin();
              on = !on;
              $(id).setAttribute('aria-pressed', on);
            } catch (error) { why = error.message; $('state').textContent = id + ': ' + error.message; }
          };
        }
        let pictures;
        toggle('camera', async () => {
          camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 640 } } });
          const video = $('video'), canvas = document.createElement('canvas');
          video.srcObject = camera; video.hidden = false;
          await video.play();
          let busy = false;
          pictures = setInterval(() => {
            if (busy || !video.videoWidth) return;
            busy = true;
            canvas.width = limits.width; canvas.height = Math.round(limits.width * video.videoHeight / video.videoWidth);
            const time = now();
            canvas.getContext('2d').drawImage(video, 0, 0, canvas.width, canvas.height);
            canvas.toBlob(async blob => {
              if (blob) add({ modality: 'image', format: 'image/jpeg', time }, await blob.arrayBuffer());
              busy = false;
            }, 'image/jpeg', 0.7);
          }, 1000 / limits.pictures);
        }, () => { clearInterval(pictures); camera.getTracks().forEach(track => track.stop()); camera = null; $('video').hidden = true; });

        let sound, context;
        toggle('microphone', async () => {
          sound = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
          context = new AudioContext({ sampleRate: 16000 });
          const source = context.createMediaStreamSource(sound), taker = context.createScriptProcessor(4096, 1, 1);
          taker.onaudioprocess = event => {
            const samples = event.inputBuffer.getChannelData(0), numbers = new Int16Array(samples.length);
            samples.forEach((value, i) => { numbers[i] = Math.max(-1, Math.min(1, value)) * 32767; });
            const time = now() - 1000 * samples.length / context.sampleRate;
            add({ modality: 'audio', format: 'audio/x-s16le', rate: context.sampleRate, time }, numbers.buffer);
          };
          source.connect(taker); taker.connect(context.destination);
        }, () => { sound.getTracks().forEach(track => track.stop()); context.close(); });

        let pose = [0, 0, 0], lastMotion = 0;
        const turned = event => { pose = [event.alpha || 0, event.beta || 0, event.gamma || 0]; };
        const moved = event => {
          if (now() - lastMotion < 1000 / limits.motion) return;
          lastMotion = now();
          const a = event.acceleration || {}, r = event.rotationRate || {};
          const numbers = new Float32Array([...pose.map(x => x / 180), a.x || 0, a.y || 0, a.z || 0, ...[r.alpha, r.beta, r.gamma].map(x => (x || 0) / 180)]);
          add({ modality: 'vector', format: 'vector/f32le', time: now() }, numbers.buffer);
        };
        toggle('motion', async () => {
          if (typeof DeviceMotionEvent !== 'undefined' && DeviceMotionEvent.requestPermission) {
            if (await DeviceMotionEvent.requestPermission() !== 'granted') throw new Error('not permitted');
          }
          addEventListener('deviceorientation', turned); addEventListener('devicemotion', moved);
        }, () => { removeEventListener('deviceorientation', turned); removeEventListener('devicemotion', moved); });
        toggle('speech', () => { speaks = true; }, () => { speaks = false; speechSynthesis.cancel(); });

        $('what').onclick = () => {
          asking = true;
          $('hint').textContent = ['camera', 'microphone', 'motion'].some(id => $(id).getAttribute('aria-pressed') === 'true')
            ? '' : 'Switch a sensor on, or send words, and it is asked about.';
        };
        $('ask').onsubmit = event => {
          event.preventDefault();
          const text = $('words').value.trim();
          if (!text) return;
          add({ modality: 'text', format: 'text/utf-8', time: now(), ends: true }, new TextEncoder().encode(text).buffer);
          $('words').value = '';
        };
        function enter() { $('enter').hidden = false; $('connected').hidden = true; $('code').focus(); }
        function connect() {
          sessionStorage.setItem('code', code);
          $('enter').hidden = true; $('connected').hidden = false;
          show();
          listen();
        }
        $('enter').onsubmit = event => { event.preventDefault(); code = $('code').value.trim(); connect(); };
        if (code) connect(); else enter();
        """#
}
