"""What the codes of a report mean, in English and Chinese."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from probe.core.sla.periods import instant_us
from probe.core.sla.report.values import ExclusionShown, Words


def _of(**words: tuple[str, str]) -> Mapping[str, Words]:
    return {code: Words(en=en, zh=zh) for code, (en, zh) in words.items()}


VERDICTS: Mapping[str, Words] = {
    "breach shown": Words(en="breach shown", zh="已证明违约"),
    "kept shown": Words(en="kept shown", zh="已证明达标"),
    "not decided": Words(en="not decided", zh="未能判定"),
}

WHY = _of(
    chance_may_explain=(
        "the literal rule calls it missed even with unknown time taken as good, and chance may explain that",
        "按字面规则不达标(未知时间计为正常),但样本的偶然性足以解释",
    ),
    unknown_time=("time that nobody measured would decide it", "未测得的时间足以改变结论"),
    unknown_requests=("requests of which nothing is known would decide it", "结果未知的请求足以改变结论"),
    partial_period=("the service ran for a part of the period only", "服务未满一个完整周期"),
    coverage=("too few of the slots that were due were measured", "应测而实测的比例不足"),
    not_final=("the period is not over, or its last rows are not here", "周期尚未结束,或其最后的记录不在此处"),
    rows_lost=("rows are lost that may have been due in the period", "有属于本周期的记录已丢失"),
    no_rows=("there is no row of the period", "没有本周期的任何记录"),
    unreported=("what the samples show was not reported in time", "所示不可用时间未在时限内报告"),
    bounds=("the samples leave it open: between what they show and what is possible", "样本只能给出上下界,尚不能判定"),
    few_samples=("too few samples", "样本太少"),
    checks_not_named=(
        "no failure was found, and rows do not say which checks their task has: its configuration does",
        "未发现失败,但记录不说明任务配置了哪些检查,须看其配置",
    ),
    working_days_not_listed=("the agreement lists fewer working days", "协议未列明足够的工作日"),
    beyond_what_is_promised=("a larger surge than the promise covers", "突增超出承诺范围"),
    no_purge=("the agreement declares no purge of this domain", "协议未申报该域名的缓存刷新"),
    criteria=("one of the criteria is not decided", "有验收项未能判定"),
    not_computed=("this version does not compute it", "本版本不计算此项"),
)  # fmt: skip

VIEWS = _of(
    literal=("as the text says, by counts", "按条款字面计数"),
    shown=("shown: beyond what chance explains", "已证明:排除偶然性之后"),
    best=("best: all that is unknown was good", "最好:未知全部计为正常"),
    worst=("worst: all that is unknown failed", "最坏:未知全部计为失败"),
)

DIMENSIONS = _of(
    region=("region", "地区"),
    carrier=("carrier", "运营商"),
    vantage_point=("vantage point", "监测点"),
    address=("node", "节点"),
    path=("object", "对象"),
    protocol=("protocol", "协议"),
)

REFUSED = _of(
    reason_not_in_contract=("the contract names no such reason", "合同未列此原因"),
    not_announced=("it was not announced", "未事先通知"),
    announced_too_late=("it was announced too late", "通知过晚"),
    was_announced=("it had been announced, so it is no excuse", "已事先告知,不构成免责"),
    outside_hours=("outside the hours that the contract admits", "不在合同允许的时段内"),
)

KEPT = _of(
    in_time=("in time", "按时"),
    late=("late", "逾期"),
    missing=("nothing was declared, and the time has passed", "未见申报,时限已过"),
    open=("nothing was declared yet", "尚未申报"),
)

DEADLINES = _of(
    response=("response to an incident", "故障响应"),
    complaint_report=("report on a complaint", "投诉答复"),
    first_notice=("first notice of an incident", "故障首次通知"),
    repair=("repair", "故障修复"),
)

STATES = _of(
    good=("good", "正常"),
    bad=("bad by the literal rule, perhaps by chance", "按字面规则异常,可能出于偶然"),
    shown=("bad, shown", "异常,已证明"),
    unknown=("unknown", "未知"),
    excluded=("excluded", "不计入"),
)

KINDS = _of(
    down=("disconnected", "中断"),
    interruption=("interruption", "服务中断"),
    fault=("fault", "服务故障"),
    overlong_caching=("over-long caching, not counted", "超长缓存,不计入"),
)

SOURCES = _of(
    store=("results directory", "结果目录"),
    segments=("sealed segments", "封存段"),
    lines=("pulled copy", "拉取副本"),
    tables=("tables", "数据表"),
)


def words_of(table: Mapping[str, Words], code: str) -> Words:
    """Of a code; of one that is not listed, the code itself."""
    return table.get(code) or Words(en=code.replace("_", " "), zh=code)


PHRASES: Mapping[str, str] = {
    "agreement": "协议",
    "version": "版本",
    "agreed": "另行约定",
    "profile": "条款",
    "UNVERIFIED INPUT, taken all the same:": "输入未经验证,仍被采用:",
    "because": "因为",
    "to": "至",
    "shown apart, not counted": "另列,不计入",
    "requests": "请求",
    "errors": "错误",
    "bad grains": "异常粒度",
    "unavailable": "不可用",
    "kept": "达标",
    "missed": "不达标",
    "grains of": "个粒度,每个",
    "unknown": "未知",
    "excluded": "不计入",
    "slots measured": "时隙已测",
    "rows are complete up to": "记录完整至",
    "nobody knows when": "不详",
    "of the unknown: nobody vouched for their clock": "属于未知,因其时钟无人担保",
    "requests a grain": "每粒度请求数",
    "without an error they show at most": "无错误时只能证明错误率不高于",
    "for the rate of the contract needed": "要证明合同的错误率需",
    "error rate": "错误率",
    "days as blocks": "天,按日分块",
    "at least": "至少",
    "at most": "至多",
    "allowed": "允许",
    "not reported in time, and not counted": "未在时限内报告,不计入",
    "declared": "申报于",
    "announced": "通知于",
    "from": "起算",
    "within": "时限",
    "together": "合计",
    "after the fact": "事后",
    "bad time, shown": "异常时段,已证明",
    "bad time, literal": "异常时段,字面",
    "and": "另有",
    "more": "段",
    "leaves out": "不计入",
    "refused": "不予采纳",
    "exclusion": "免责",
    "incident": "事件",
    "incidents more": "个事件",
    "credit": "赔偿",
    "at worst": "最坏",
    "lost": "丢失",
    "not computed": "未计算",
    "by": "分项",
    "shown": "已证明",
    "readings that are ours": "我方解释",
    "of": "来自",
    "times are those of": "时间所属时区",
    "traffic file of the": "流量文件,来自",
    "provider": "服务方",
    "customer": "客户",
    "lost to dead nodes": "节点不可用损失的请求",
    "grains": "粒度",
    "beside the word": "仅作对照,不影响结论",
    "first byte": "首包时间",
    "throughput": "吞吐量",
    "propagation": "更新到达时间,至多",
    "stamped": "时间戳",
    "bad time": "异常时段",
    "rows": "记录",
    "evidence": "证据",
    "incidents": "事件",
    "first seen": "首次发现",
    "confirmed": "确认于",
    "fault": "责任",
    "seen from": "监测点",
    "deadlines": "时限",
    "criteria": "验收项",
    "clauses": "条款",
    "inputs": "数据来源",
    "records": "条记录",
    "signed by nobody": "无签名",
    "signed up to": "签名至",
    "at": "于",
    "by key": "密钥",
    "(the key lies beside the files: give yours with --key)": "(密钥与文件同处:请用 --key 提供)",
}


class Said:
    """Chooses the language of a report's words: `en` or `zh`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._zh = language == "zh"

    def __call__(self, phrase: str) -> str:
        """A phrase of the list, by its English words."""
        return PHRASES[phrase] if self._zh else phrase

    def of(self, words: Words) -> str:
        """Words that are both."""
        return words.zh if self._zh else words.en

    def code(self, table: Mapping[str, Words], code: str) -> str:
        """A code in words."""
        return self.of(words_of(table, code))


def declared_in_words(one: ExclusionShown, say: Said) -> Iterator[str]:
    """Who says so, and when: a declaration that was made after its span ended is told to be one."""
    if one.announced_at is not None:
        yield f"{say('announced')} {one.announced_at}"
    if one.declared_at is not None:
        late = instant_us(one.declared_at) >= instant_us(one.end)
        yield f"{say('declared')} {one.declared_at}" + (f" ({say('after the fact')})" if late else "")
    yield one.source
