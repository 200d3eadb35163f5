extension Pages {
    static let watchHTML = #"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Accrete: the graph</title>
        <link rel="icon" href="data:,">
        <link rel="stylesheet" href="/style.css">
        <script src="/watch.js" defer></script>
        </head>
        <body>
        <main>
        <h1>Accrete: the graph</h1>
        <form id="enter" hidden>
          <label>Access code <input id="code" autocomplete="off" autocapitalize="none" spellcheck="false" required></label>
          <button>Connect</button>
        </form>
        <p id="state" role="status" aria-live="polite"></p>
        <h2>Loss of labels, newest moments</h2>
        <svg id="loss" class="chart" role="img" aria-label="Loss of the model and of the frozen baseline"></svg>
        <p id="scores" class="small"></p>
        <p id="served" class="small live"></p>
        <h2 class="live">Prediction latency</h2>
        <svg id="latency" class="chart live" role="img" aria-label="Histogram of the latency of predictions"></svg>
        <h2>Stages</h2>
        <div class="wide" tabindex="0" role="region" aria-label="Stages"><table><thead>
        <tr><th>Stage</th><th>In /s</th><th>Out /s</th><th>Model</th><th>MB</th><th>Dropped</th></tr>
        </thead><tbody id="stages"></tbody></table></div>
        <h2 class="live">Newest predictions</h2><ol id="predictions" class="live"></ol>
        <h2>Versions</h2><ol id="versions"></ol>
        <h2>Triggers and the gate</h2><ol id="triggers"></ol>
        <h2 class="live">Refused by the gateway</h2><p id="refused" class="small live"></p>
        </main>
        </body>
        </html>
        """#

    /// Shows the state first, then events as they come. Texts of the graph are set as text, never as markup.
    static let watchScript = #"""
        'use strict';
        const $ = id => document.getElementById(id);
        const shown = 12, points = 240;
        let code = new URLSearchParams(location.hash.slice(1)).get('code') || !document.getElementById('recorded') && sessionStorage.getItem('code') || '';
        if (location.hash) history.replaceState(null, '', location.pathname);
        const call = path => fetch(path, { headers: { Authorization: 'Bearer ' + code } });
        const sum = map => Object.values(map || {}).reduce((a, b) => a + b, 0);
        const fixed = (value, digits) => value === null || value === undefined ? '–' : value.toFixed(digits);
        const stages = new Map(), losses = [];

        function line(list, text) {
          const item = document.createElement('li');
          item.textContent = text;
          $(list).prepend(item);
          while ($(list).children.length > shown) $(list).lastChild.remove();
        }
        let names = {};
        const called = label => names[label] || 'class ' + label;
        async function show(image, number) {
          try {
            const reply = await call('/api/pictures/' + number);
            if (!reply.ok) throw new Error('gone');
            image.src = URL.createObjectURL(await reply.blob());
            image.onload = () => URL.revokeObjectURL(image.src);
          } catch (error) { image.remove(); }
        }
        function prediction(event) {
          const best = event.best.slice(0, 3).map(one => `${called(one.label)} ${fixed(100 * one.p, 0)} %`).join(', ');
          const list = (title, map) => Object.keys(map).length
            ? `; ${title} ` + Object.entries(map).map(([name, value]) => `${name} ${fixed(value, 2)}`).join(', ') : '';
          line('predictions', (event.words ? `“${event.words}” ` : '') + `${event.moment}: ${best}; version ${event.version}`
            + (event.recalled >= 0.5 ? ' and what was named before' : '') + `, ${fixed(100 * event.confidence, 0)} % sure${event.unsure ? ' (does not know)' : ''}, ${fixed(1000 * event.latency, 1)} ms`
            + list('weights', event.weights) + list('contributions', Object.keys(event.shapley).length ? event.shapley : event.marginal)
            + (event.muted.length ? '; muted ' + event.muted.join(', ') : ''));
          if (event.picture === null) return;
          const image = document.createElement('img');
          image.alt = 'The picture of ' + event.moment; image.className = 'thumb'; image.width = 96;
          $('predictions').firstChild.prepend(image);
          show(image, event.picture);
        }
        function draw(svg, name, attributes, text) {
          const node = document.createElementNS('http://www.w3.org/2000/svg', name);
          for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
          if (text !== undefined) node.textContent = text;
          svg.append(node);
        }
        function stage(name, status) {
          const before = stages.get(name) || {}, last = before.status;
          const seconds = last ? (status.time - last.time) / 1e9 : 0;
          const rate = key => seconds > 0 ? Math.max(0, (sum(status[key]) - sum(last[key])) / seconds).toFixed(1) : '–';
          let row = before.row;
          if (!row) {
            row = document.createElement('tr');
            for (let i = 0; i < 6; i++) row.append(document.createElement('td'));
            $('stages').append(row);
          }
          const drops = Object.entries(status.drops).filter(one => one[1] > 0).map(([reason, count]) => reason + ' ' + count).join(', ');
          [name, rate('received'), rate('sent'), /^(extract|ingest|play|simulate)/.test(name) ? '–' : status.version, Math.round(status.memory / 1048576), drops || 'none']
            .forEach((text, i) => { row.children[i].textContent = text; });
          stages.set(name, { status, row });
          const gauges = status.gauges || {};
          if (gauges.labelsRemembered > 0 && $('served')) $('served').textContent =
            `With what was labelled before, ${fixed(100 * gauges.predictionAccuracy, 1)} % of all labels were predicted rightly.`
            + (gauges.answered > 0 ? ` Sure of ${fixed(100 * gauges.answered, 1)} % of the newest 1000; of these ${fixed(100 * (gauges.answeredWrongly || 0), 1)} % were wrong.` : '');
        }
        // A chart as wide as the page leaves it, so that its letters keep their size.
        function chart(id, height) {
          const svg = $(id), width = Math.max(260, svg.clientWidth);
          svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
          svg.replaceChildren();
          return [svg, width];
        }
        const loss = (scores, name) => scores.window[name] ? scores.window[name].loss : null;
        function course() {
          const [svg, width] = chart('loss', 180), right = width - 8;
          const values = losses.flatMap(one => [one.model, one.frozen]).filter(Number.isFinite);
          const top = Math.max(...values, 0.001), y = value => 152 - 120 * value / top;
          for (const [value, text] of [[0, '0'], [top / 2, (top / 2).toFixed(2)], [top, top.toFixed(2)]]) {
            draw(svg, 'line', { x1: 44, x2: right, y1: y(value), y2: y(value), class: 'grid' });
            draw(svg, 'text', { x: 38, y: y(value) + 4, 'text-anchor': 'end' }, text);
          }
          [['model', 'model'], ['frozen', 'frozen baseline']].forEach(([name, title], i) => {
            const points = losses.map((one, at) => Number.isFinite(one[name])
              ? `${44 + (right - 44) * at / Math.max(1, losses.length - 1)},${y(one[name])}` : '').filter(Boolean);
            draw(svg, 'polyline', { points: points.join(' '), class: 'line' + i, fill: 'none' });
            draw(svg, 'line', { x1: 46 + 92 * i, x2: 68 + 92 * i, y1: 14, y2: 14, class: 'line' + i });
            draw(svg, 'text', { x: 73 + 92 * i, y: 18 }, title);
          });
          const first = losses[0], last = losses[losses.length - 1];
          if (first) draw(svg, 'text', { x: 44, y: 171 }, `moment ${first.moments}`);
          if (losses.length > 1) draw(svg, 'text', { x: right, y: 171, 'text-anchor': 'end' }, `moment ${last.moments}`);
        }
        function scores(value, isNew = true) {
          if (!value) return;
          if (isNew) losses.push({ moments: value.moments, model: loss(value, 'model'), frozen: loss(value, 'frozen') });
          while (losses.length > points) losses.shift();
          course();
          const now = value.window.model, frozen = value.window.frozen;
          if (now && frozen) $('scores').textContent = `${value.moments} moments scored. Labels right ${fixed(100 * now.accuracy, 1)} %, frozen baseline `
            + `${fixed(100 * frozen.accuracy, 1)} %; their loss ${fixed(now.loss, 3)} and ${fixed(frozen.loss, 3)} nats; words ${fixed(now.bits, 3)} and ${fixed(frozen.bits, 3)} bits a byte.`;
        }
        let newestLatency = null;
        function latency(value) {
          if (!value) return;
          newestLatency = value;
          const [svg, all] = chart('latency', 130), counts = value.predictions, top = Math.max(...counts, 1), width = (all - 16) / counts.length;
          counts.forEach((count, i) => {
            const height = 88 * count / top, bound = value.bounds[i];
            draw(svg, 'rect', { x: 8 + i * width, y: 98 - height, width: width - 3, height, class: 'bar' });
            if (width < 34 && i % 2) return;
            const text = bound === undefined ? 'more' : bound < 1 ? String(1000 * bound) : bound + ' s';
            draw(svg, 'text', { x: 8 + (i + .5) * width - 1, y: 112, 'text-anchor': 'middle' }, text);
          });
          draw(svg, 'text', { x: all / 2, y: 126, 'text-anchor': 'middle' }, 'up to so many milliseconds, or seconds');
        }
        function take(event) {
          if (event.type === 'status') stage(event.stage, event.status);
          else if (event.type === 'scores') scores(event.scores);
          else if (event.type === 'update') line('versions', `version ${event.version}: ${event.reason}; loss ${fixed(event.loss, 3)}, learned up to moment ${event.watermark}`);
          else if (event.type === 'verdict') line('triggers', `gate: version ${event.version} ${event.decision}. ${event.reason}`);
          else if (event.type === 'trigger') line('triggers', `${event.rule}: ${event.action} ${event.verdict} at moment ${event.ordinal}. ${event.note}`);
          else if (event.type === 'prediction') prediction(event);
          else if (event.type === 'names') names = event.names;
        }
        async function state() {
          const reply = await call('/api/state');
          if (reply.status === 401) { $('enter').hidden = false; $('code').focus(); throw new Error('wrong access code'); }
          if (!reply.ok) throw new Error((await reply.json()).error.message);
          return reply.json();
        }
        async function follow() {
          let delay = 500;
          for (;;) {
            try {
              const now = await state();
              names = (await (await call('/api/names')).json()).names || {};
              showAll(now);
              const reply = await call('/api/events');
              if (!reply.ok) throw new Error((await reply.json()).error.message);
              $('state').textContent = 'Connected'; $('state').className = 'good'; delay = 500;
              const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
              let rest = '';
              for (;;) {
                const { value, done } = await reader.read();
                if (done) break;
                rest += value;
                let end;
                while ((end = rest.indexOf('\n\n')) >= 0) { take(JSON.parse(rest.slice(6, end))); rest = rest.slice(end + 2); }
              }
            } catch (error) {
              $('state').textContent = 'Not connected: ' + error.message; $('state').className = 'bad';
              if (!$('enter').hidden) return;
            }
            await new Promise(done => setTimeout(done, delay));
            delay = Math.min(2 * delay, 10000);
          }
        }
        setInterval(async () => {
          if (recorded || $('state').className !== 'good' || document.hidden) return;
          try {
            const now = await state();
            latency(now.latency);
            $('refused').textContent = Object.entries(now.refused).map(([reason, count]) => reason + ' ' + count).join(', ') || 'nothing';
          } catch (error) { /* the stream says what is wrong */ }
        }, 2000);
        $('enter').onsubmit = event => {
          event.preventDefault();
          code = $('code').value.trim();
          sessionStorage.setItem('code', code);
          $('enter').hidden = true;
          follow();
        };
        function showAll(now) {
          for (const [name, status] of Object.entries(now.stages)) stage(name, status);
          for (const list of ['versions', 'triggers', 'predictions']) $(list).replaceChildren();
          now.publications.concat(now.triggers, now.predictions || []).forEach(take);
          if (now.verdict) take({ type: 'verdict', ...now.verdict });
          losses.splice(0, losses.length, ...now.course);
          scores(now.scores, false);
        }
        addEventListener('resize', () => { course(); latency(newestLatency); });
        const recorded = $('recorded');
        if (recorded) {
          showAll(JSON.parse(recorded.textContent));
          for (const part of document.querySelectorAll('.live')) part.remove();
          $('state').textContent = 'A run that has ended'; $('state').className = 'good';
        } else if (code) { sessionStorage.setItem('code', code); follow(); } else { $('enter').hidden = false; $('code').focus(); }
        """#
}
