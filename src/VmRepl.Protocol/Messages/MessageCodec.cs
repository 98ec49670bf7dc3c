namespace VmRepl.Protocol.Messages;

/// <summary>From a frame's body to a message.</summary>
public static class MessageCodec
{
    /// <summary>Reads one message. Payloads are parts of <paramref name="body"/>, which must stay as it is for as long as the message is used.</summary>
    /// <exception cref="ProtocolException">The body is no message that this version knows.</exception>
    public static IMessage Read(ReadOnlyMemory<byte> body)
    {
        var fields = new MessageFields(body);
        IMessage message = fields.Type switch
        {
            MessageType.Hello => Hello.Read(ref fields),
            MessageType.Welcome => Welcome.Read(ref fields),
            MessageType.Refusal => Refusal.Read(ref fields),
            MessageType.OpenGroup => OpenGroup.Read(ref fields),
            MessageType.GroupState => GroupState.Read(ref fields),
            MessageType.RecordBatch => RecordBatch.Read(ref fields),
            MessageType.BaselineBatch => BaselineBatch.Read(ref fields),
            MessageType.Ack => Ack.Read(ref fields),
            MessageType.DigestCompare => DigestCompare.Read(ref fields),
            MessageType.DigestResult => DigestResult.Read(ref fields),
            MessageType.AllocationQuery => AllocationQuery.Read(ref fields),
            MessageType.AllocationResult => AllocationResult.Read(ref fields),
            MessageType.Ping => Ping.Read(ref fields),
            MessageType.Pong => Pong.Read(ref fields),
            MessageType.ListGroups => new ListGroups(),
            MessageType.GroupList => GroupList.Read(ref fields),
            MessageType.ListPoints => ListPoints.Read(ref fields),
            MessageType.PointList => PointList.Read(ref fields),
            MessageType.OpenView => OpenView.Read(ref fields),
            MessageType.ViewOpened => ViewOpened.Read(ref fields),
            MessageType.MapView => MapView.Read(ref fields),
            MessageType.ViewMap => ViewMap.Read(ref fields),
            MessageType.ReadView => ReadView.Read(ref fields),
            MessageType.ViewContents => ViewContents.Read(ref fields),
            MessageType.CloseView => CloseView.Read(ref fields),
            MessageType.Failure => Failure.Read(ref fields),
            MessageType.Bye => new Bye(),
            MessageType.RewindGroup => RewindGroup.Read(ref fields),
            MessageType.RewindProgress => RewindProgress.Read(ref fields),
            MessageType.Rewound => Rewound.Read(ref fields),
            MessageType.Scrub => Scrub.Read(ref fields),
            MessageType.ScrubProgress => ScrubProgress.Read(ref fields),
            MessageType.ScrubReport => ScrubReport.Read(ref fields),
            MessageType.AskScrubState => AskScrubState.Read(ref fields),
            MessageType.ScrubState => ScrubState.Read(ref fields),
            MessageType.NoRoom => NoRoom.Read(ref fields),
            MessageType.AttachGroup => AttachGroup.Read(ref fields),
            MessageType.Attached => Attached.Read(ref fields),
            MessageType.DetachGroup => DetachGroup.Read(ref fields),
            MessageType.DetachProgress => DetachProgress.Read(ref fields),
            MessageType.Detached => Detached.Read(ref fields),
            MessageType.ListAttachments => ListAttachments.Read(ref fields),
            MessageType.AttachmentList => AttachmentList.Read(ref fields),
            MessageType.NoteTest => NoteTest.Read(ref fields),
            MessageType.ListTests => ListTests.Read(ref fields),
            MessageType.TestList => TestList.Read(ref fields),
            MessageType.SeedDisk => SeedDisk.Read(ref fields),
            MessageType.SeedProgress => SeedProgress.Read(ref fields),
            MessageType.DiskSeeded => DiskSeeded.Read(ref fields),
            MessageType.ListClones => ListClones.Read(ref fields),
            MessageType.CloneList => CloneList.Read(ref fields),
            _ => throw fields.Wrong("message type", "a known type", $"{(byte)fields.Type}"),
        };
        fields.End();
        return message;
    }
}
