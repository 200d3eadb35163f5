extension Pages {
    static let watchHTML = #"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Accrete: the graph</title>
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
        <svg id="loss" class="chart" viewBox="0 0 600 160" role="img" aria-label="Loss of the model and of the frozen baseline"></svg>
        <p id="scores" class="small"></p>
        <h2>Prediction latency</h2>
        <svg id="latency" class="chart" viewBox="0 0 600 120" role="img" aria-label="Histogram of the latency of predictions"></svg>
        <h2>Stages</h2>
        <div class="wide" tabindex="0" role="region" aria-label="Stages"><table><thead>
        <tr><th>Stage</th><th>In /s</th><th>Out /s</th><th>Model</th><th>MB</th><th>Dropped</th></tr>
        </thead><tbody id="stages"></tbody></table></div>
        <h2>Newest predictions</h2><ol id="predictions"></ol>
        <h2>Versions</h2><ol id="versions"></ol>
        <h2>Triggers and the gate</h2><ol id="triggers"></ol>
        <h2>Refused by the gateway</h2><p id="refused" class="small"></p>
        </main>
        </body>
        </html>
        """#

    /// Shows the state first, then events as they come. Texts of the graph are set as text, never as markup.
    static let watchScript = #"""
        'use strict';
        const $ = id => document.getElementById(id);
        const shown = 12, points = 240;
        let code = new URLSearchParams(location.hash.slice(1)).get('code') || sessionStorage.getItem('code') || '';
        history.replaceState(null, '', location.pathname);
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
          [name, rate('received'), rate('sent'), status.version, Math.round(status.memory / 1048576), drops || 'none']
            .forEach((text, i) => { row.children[i].textContent = text; });
          stages.set(name, { status, row });
        }
        function scores(value) {
          if (!value) return;
          losses.push(value.window);
          if (losses.length > points) losses.shift();
          const svg = $('loss');
          svg.replaceChildren();
          const series = [['model', 'model'], ['frozen', 'frozen baseline']];
          const values = losses.flatMap(one => series.map(([name]) => one[name] && one[name].loss)).filter(Number.isFinite);
          const top = Math.max(...values, 0.001);
          series.forEach(([name, title], i) => {
            const line = losses.map((one, x) => one[name] && Number.isFinite(one[name].loss)
              ? `${40 + 550 * x / Math.max(1, losses.length - 1)},${140 - 120 * one[name].loss / top}` : '').filter(Boolean).join(' ');
            draw(svg, 'polyline', { points: line, class: 'line' + i, fill: 'none' });
            draw(svg, 'text', { x: 45 + 90 * i, y: 14, class: 'line' + i }, title);
          });
          draw(svg, 'text', { x: 2, y: 24 }, top.toFixed(2));
          draw(svg, 'text', { x: 2, y: 144 }, '0');
          const now = value.window.model, frozen = value.window.frozen;
          if (now && frozen) $('scores').textContent = `${value.moments} moments scored; right: ${fixed(100 * now.accuracy, 1)} %, frozen baseline `
            + `${fixed(100 * frozen.accuracy, 1)} %; loss ${fixed(now.loss, 3)} and ${fixed(frozen.loss, 3)} nats; bits per byte ${fixed(now.bits, 3)} and ${fixed(frozen.bits, 3)}`;
        }
        function latency(value) {
          const svg = $('latency'), counts = value.predictions, top = Math.max(...counts, 1), width = 580 / counts.length;
          svg.replaceChildren();
          counts.forEach((count, i) => {
            const height = 80 * count / top;
            draw(svg, 'rect', { x: 10 + i * width, y: 95 - height, width: width - 3, height, class: 'bar' });
            draw(svg, 'text', { x: 10 + i * width, y: 110 }, i < value.bounds.length ? '≤' + 1000 * value.bounds[i] : '>');
          });
          draw(svg, 'text', { x: 10, y: 119 }, 'ms');
        }
        function take(event) {
          if (event.type === 'status') stage(event.stage, event.status);
          else if (event.type === 'scores') scores(event.scores);
          else if (event.type === 'update') line('versions', `version ${event.version}: ${event.reason}; loss ${fixed(event.loss, 3)}, learned up to moment ${event.watermark}`);
          else if (event.type === 'verdict') line('triggers', `gate: version ${event.version} ${event.decision}. ${event.reason}`);
          else if (event.type === 'trigger') line('triggers', `${event.rule}: ${event.action} ${event.verdict} at moment ${event.ordinal}. ${event.note}`);
          else if (event.type === 'prediction') {
            const best = event.best.slice(0, 3).map(one => `class ${one.label} ${fixed(100 * one.p, 0)} %`).join(', ');
            const weights = Object.entries(event.weights).map(([name, weight]) => `${name} ${fixed(weight, 2)}`).join(', ');
            line('predictions', `${event.moment}: ${best}; version ${event.version}, ${fixed(1000 * event.latency, 1)} ms`
              + (weights ? '; weights ' + weights : '') + (event.muted.length ? '; muted ' + event.muted.join(', ') : ''));
          }
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
              for (const [name, status] of Object.entries(now.stages)) stage(name, status);
              for (const list of ['versions', 'triggers', 'predictions']) $(list).replaceChildren();
              now.publications.concat(now.triggers).forEach(take);
              if (now.verdict) take({ type: 'verdict', ...now.verdict });
              scores(now.scores);
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
          if ($('state').className !== 'good' || document.hidden) return;
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
        if (code) { sessionStorage.setItem('code', code); follow(); } else { $('enter').hidden = false; $('code').focus(); }
        """#
}
