using System.Globalization;
using VmRepl.Journal.Points;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal;

/// <summary>What a checkpoint says; it travels in the record's attributes (docs/journal-format.md, "Checkpoint").</summary>
/// <param name="Applied">Every record up to here is in the live images, flushed.</param>
/// <param name="Start">Start of the recovery range.</param>
/// <param name="FirstSegment">Serial of the oldest segment that is still needed.</param>
/// <param name="StartPoint">The point at the start, whose own record may be retired; null where the start is no point.</param>
internal sealed record CheckpointRecord(ulong Applied, ulong Start, ulong FirstSegment, RecoveryPoint? StartPoint)
{
    public Record ToRecord()
    {
        var attributes = new Dictionary<string, string>
        {
            [RecordAttribute.Applied] = Applied.ToString(CultureInfo.InvariantCulture),
            [RecordAttribute.Start] = Start.ToString(CultureInfo.InvariantCulture),
            [RecordAttribute.FirstSegment] = FirstSegment.ToString(CultureInfo.InvariantCulture),
        };
        if (StartPoint is not null)
        {
            attributes[RecordAttribute.StartConsistency] = StartPoint.Consistency;
            attributes[RecordAttribute.StartTimeUs] = StartPoint.TimeUs.ToString(CultureInfo.InvariantCulture);
            if (StartPoint.Bookmark is { } name) attributes[RecordAttribute.StartBookmark] = name;
        }

        return Record.Create(new RecordHeader { Kind = RecordKind.Checkpoint, Attributes = attributes }, default);
    }

    /// <param name="path">Of the file that it stands in.</param>
    /// <exception cref="JournalDamagedException">An attribute is missing or no number.</exception>
    public static CheckpointRecord Read(RecordHeader record, string path)
    {
        var attributes = record.Attributes;
        var start = Number(RecordAttribute.Start);
        var consistency = attributes?.GetValueOrDefault(RecordAttribute.StartConsistency);
        var point = consistency is null ? null : new RecoveryPoint(start, (long)Number(RecordAttribute.StartTimeUs), attributes!.GetValueOrDefault(RecordAttribute.StartBookmark), consistency);
        return new CheckpointRecord(Number(RecordAttribute.Applied), start, Number(RecordAttribute.FirstSegment), point);

        ulong Number(string attribute) =>
            attributes is not null && attributes.TryGetValue(attribute, out var text) && ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                ? number
                : throw new JournalDamagedException(path, -1, $"a checkpoint has no {attribute}");
    }
}
