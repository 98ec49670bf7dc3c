namespace VmRepl.Protocol.MessagePack;

/// <summary>The families of values of the MessagePack specification, whatever form they are written in.</summary>
public enum MessagePackKind
{
    /// <summary>0xc1, which the specification never uses; nothing reads it.</summary>
    Reserved,
    Nil,
    Boolean,
    Integer,
    Float,
    String,
    Binary,
    Array,
    Map,
    Extension,
}
