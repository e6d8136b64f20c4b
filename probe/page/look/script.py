"""The page's own script: what is nicer with it. Without it everything can be read, switched and refreshed as well."""

from __future__ import annotations

SCRIPT = """
'use strict';
(function () {
var d = document, body = d.body, own = 'UTC';
try { own = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'; } catch (e) {}
function each(what, act) { Array.prototype.forEach.call(d.querySelectorAll(what), act); }
function keep(name, value) { try { sessionStorage.setItem(name, value); } catch (e) {} }
function kept(name) { try { return sessionStorage.getItem(name); } catch (e) { return null; } }
var here = location.pathname;

// times in the zone of whoever looks
function two(n) { return (n < 10 ? '0' : '') + n; }
function inZone(ms, zone) {
  var o = {timeZone: zone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit',
    minute: '2-digit', second: '2-digit'}, p = {};
  new Intl.DateTimeFormat('en', o).formatToParts(new Date(ms)).forEach(function (x) { p[x.type] = x.value; });
  return {day: p.month + '-' + p.day, time: p.hour + ':' + p.minute,
    whole: p.year + '-' + p.month + '-' + p.day + ' ' + p.hour + ':' + p.minute + ':' + p.second};
}
function convert(zone) {
  each('time', function (t) { t.textContent = inZone(Date.parse(t.dateTime), zone).whole; });
  each('svg.axis', function (axis) {
    each('text[data-t]', function (t) {
      var at = inZone(t.getAttribute('data-t') * 1000, zone);
      t.textContent = /:/.test(t.textContent) ? at.time : at.day;
    });
  });
  var axis = d.querySelector('svg.axis');
  if (axis) {
    var from = +axis.getAttribute('data-from'), step = +axis.getAttribute('data-step');
    each('svg.h rect>title', function (t) {
      var r = t.parentNode, x = +r.getAttribute('x'), long = /^\\d\\d-\\d\\d /.test(t.textContent);
      var a = inZone((from + x * step) * 1000, zone);
      var b = inZone((from + (x + +r.getAttribute('width')) * step) * 1000, zone);
      t.textContent = (long ? a.day + ' ' + a.time + '\\u2013' + b.day + ' ' + b.time : a.time + '\\u2013' + b.time) +
        t.textContent.replace(/^.*?(?= n )/, '');
    });
  }
  each('.zone', function (z) { z.textContent = zone; });
}
var place = d.getElementById('own-zone');
if (place && own !== body.dataset.zone) {
  if (body.dataset.static) {
    var button = d.createElement('button');
    button.type = 'button';
    button.textContent = place.dataset.words + ' (' + own + ')';
    button.addEventListener('click', function () {
      var zone = kept('zone') === own ? 'UTC' : own;
      keep('zone', zone); convert(zone); button.setAttribute('aria-pressed', zone === own);
    });
    place.appendChild(button);
    if (kept('zone') === own) { convert(own); button.setAttribute('aria-pressed', true); }
  } else {
    var link = d.createElement('a'), to = new URLSearchParams(location.search);
    to.set('zone', own);
    link.href = here + '?' + to;
    link.textContent = place.dataset.words + ' (' + own + ')';
    place.appendChild(link);
  }
}

// the list narrows while one types
var search = d.querySelector('input[type=search]');
if (search) {
  search.addEventListener('input', function () {
    var wanted = search.value.trim().toLowerCase(), left = 0;
    each('details[data-name]', function (row) {
      row.hidden = row.dataset.name.indexOf(wanted) < 0;
      left += row.hidden ? 0 : 1;
    });
    each('.none-so-called', function (p) { p.hidden = left > 0; });
  });
}

// what is open stays open when the page is refreshed
each('details[id]', function (row) {
  if ((kept('open' + here) || '').split(' ').indexOf(row.id) >= 0) { row.open = true; }
  row.addEventListener('toggle', function () {
    var open = [];
    each('details[id][open]', function (o) { open.push(o.id); });
    keep('open' + here, open.join(' '));
  });
});
window.addEventListener('beforeprint', function () { each('details', function (o) { o.open = true; }); });
if (kept('scroll' + here)) { window.scrollTo(0, +kept('scroll' + here)); keep('scroll' + here, ''); }

// refreshed, unless somebody types, selects or asked not to; and it says so itself when nobody feeds it any more
var refresh = +body.dataset.refresh, asOf = Date.parse(body.dataset.asOf), loaded = Date.now();
var old = d.getElementById('old'), pause = d.getElementById('pause');
if (pause) {
  pause.parentNode.hidden = false;
  pause.checked = kept('pause') === 'yes';
  pause.addEventListener('change', function () { keep('pause', pause.checked ? 'yes' : ''); });
}
function busy() {
  var a = d.activeElement;
  var typing = a && /^(INPUT|SELECT)$/.test(a.tagName) && a !== pause && (a.type !== 'search' || a.value);
  return d.hidden || (pause && pause.checked) || typing || (window.getSelection && String(window.getSelection()));
}
function again() { keep('scroll' + here, window.scrollY); location.reload(); }
function gone() { if (old) { old.hidden = false; } }  // what is shown stays, in place of a browser's own page
if (refresh) {
  setInterval(function () {
    var age = Math.max(Date.now() - asOf, Date.now() - loaded) / 1000;
    if (old && age > 60 + 4 * refresh) { old.hidden = false; }
    if (Date.now() - loaded > refresh * 1000 && !busy()) {
      loaded = Date.now();
      if (body.dataset.static) { again(); } else {
        fetch('/sign-in', {method: 'HEAD', cache: 'no-store', credentials: 'omit'}).then(again, gone);
      }
    }
  }, 250);
}
})();
"""
